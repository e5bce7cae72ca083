"""The sales of a day: counted in parts, and put together as a report."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import TypedDict

from django.db.models import F, Sum
from django.utils import timezone

from shop.models import Order, OrderLine, Report
from shop.money import decimal

# Parts of a day. Also the most tasks that one report keeps busy.
WINDOWS = 8


class Part(TypedDict):
    """The sales of some hours: plain JSON, because it travels through the result backend."""

    orders: int
    units: dict[str, int]
    cents: dict[str, int]


def windows(day: date) -> Iterator[tuple[datetime, datetime]]:
    """Divide a day into equal parts; it has 23 or 25 hours when the clocks change."""
    start = timezone.make_aware(datetime.combine(day, time.min))
    end = timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))
    # In UTC: arithmetic on local times skips the hour that the clocks skip.
    first, length = start.astimezone(UTC), (end.astimezone(UTC) - start.astimezone(UTC)) / WINDOWS
    return ((first + length * n, first + length * (n + 1)) for n in range(WINDOWS))


def add_up(start: datetime, end: datetime) -> Part:
    """Add up what was paid for orders placed from `start` to before `end`, by category."""
    orders = Order.objects.filter(
        created_at__gte=start, created_at__lt=end, state__in=(Order.State.PAID, Order.State.CONFIRMED)
    )
    sums = (
        OrderLine.objects.filter(order__in=orders)
        .values_list("product__category")
        .annotate(units=Sum("quantity"), cents=Sum(F("quantity") * F("price_cents")))
    )
    # Once: it is gone through twice below.
    rows = list(sums)
    return Part(
        orders=orders.count(),
        units={category: units for category, units, _ in rows},
        cents={category: cents for category, _, cents in rows},
    )


def store(report_id: int, parts: Iterable[Part]) -> None:
    """Put the parts together and keep the result as CSV."""
    orders, units, cents = 0, Counter[str](), Counter[str]()
    for part in parts:
        orders += part["orders"]
        units.update(part["units"])
        cents.update(part["cents"])
    Report.objects.filter(pk=report_id).update(
        state=Report.State.DONE,
        content=_table(units, cents),
        orders=orders,
        revenue_cents=cents.total(),
        finished_at=timezone.now(),
    )


def _table(units: Counter[str], cents: Counter[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["category", "units", "revenue"])
    writer.writerows([category, units[category], decimal(cents[category])] for category in sorted(units))
    writer.writerow(["total", units.total(), decimal(cents.total())])
    return text.getvalue()
