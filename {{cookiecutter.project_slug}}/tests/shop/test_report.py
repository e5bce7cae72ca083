"""The nightly report: counted in parts, put together, stored."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from shop import sales
from shop.models import Order, OrderLine, Product, Report
from shop.tasks import batch
from tests.shop.samples import eventually, pending_payment

pytestmark = pytest.mark.django_db(transaction=True)
DAY = date(2026, 3, 10)
# A day is the project's own, whatever time zone was answered when it was made.
HERE = timezone.get_default_timezone()


def sold(sku: str, category: str, quantity: int, at: datetime, state: str = Order.State.CONFIRMED) -> None:
    """Put an order of that moment into the books."""
    order = pending_payment().order
    OrderLine.objects.filter(order=order).delete()
    product, _ = Product.objects.get_or_create(sku=sku, defaults={"category": category, "price_cents": 150})
    OrderLine.objects.create(order=order, product=product, quantity=quantity, price_cents=150)
    Order.objects.filter(pk=order.pk).update(created_at=at, state=state)


@pytest.mark.usefixtures("eager")
def test_the_report_is_the_sum_of_its_parts() -> None:
    """What was paid on that day, by category, whichever part of the day it fell into."""
    for hour in (0, 2, 3, 12, 23):
        sold("TEA-1", "Tea", 2, datetime(2026, 3, 10, hour, 59, tzinfo=HERE))
    sold("BAK-1", "Bakery", 1, datetime(2026, 3, 10, 3, tzinfo=HERE), Order.State.PAID)
    sold("TEA-1", "Tea", 9, datetime(2026, 3, 10, 5, tzinfo=HERE), Order.State.DECLINED)
    sold("TEA-1", "Tea", 9, datetime(2026, 3, 9, 23, 59, tzinfo=HERE))
    sold("TEA-1", "Tea", 9, datetime(2026, 3, 11, tzinfo=HERE))
    batch.nightly_report.delay(day="2026-03-10")
    report = Report.objects.get()
    assert (report.state, report.orders, report.revenue_cents) == (Report.State.DONE, 6, 1650)
    assert report.content.splitlines() == ["category,units,revenue", "Bakery,1,1.50", "Tea,10,15.00", "total,11,16.50"]


@pytest.mark.usefixtures("eager")
def test_a_second_report_of_a_day_replaces_the_first() -> None:
    """Twice delivered or asked for again: one report, of what is true now."""
    batch.nightly_report.delay(day="2026-03-10")
    sold("TEA-1", "Tea", 2, datetime(2026, 3, 10, 8, tzinfo=HERE))
    batch.nightly_report.delay(day="2026-03-10")
    assert Report.objects.get().revenue_cents == 300


@pytest.mark.usefixtures("eager")
def test_the_night_reports_the_day_before() -> None:
    """Beat sends it without a day."""
    batch.nightly_report.delay()
    assert Report.objects.get().day == timezone.localdate() - timedelta(days=1)


@pytest.mark.usefixtures("worker")
def test_a_failed_part_fails_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chord whose part fails never runs its body: without the error handler the report would stay "building"."""

    def fail(*_given: object) -> None:
        raise RuntimeError("no such table")

    monkeypatch.setattr(sales, "add_up", fail)
    batch.nightly_report.delay(day="2026-03-10")
    assert eventually(lambda: Report.objects.filter(state=Report.State.FAILED).exists())


@pytest.mark.usefixtures("worker")
def test_a_worker_puts_the_report_together() -> None:
    """The same through a broker and a result backend, where a chord has to count its parts."""
    sold("TEA-1", "Tea", 2, datetime(2026, 3, 10, 8, tzinfo=HERE))
    batch.nightly_report.delay(day="2026-03-10")
    assert eventually(lambda: Report.objects.filter(state=Report.State.DONE).exists())
    assert Report.objects.get().revenue_cents == 300


@pytest.mark.parametrize(
    ("day", "hours"), [(DAY, 24), (date(2026, 3, 29), 23), (date(2026, 10, 25), 25)], ids=["usual", "spring", "autumn"]
)
def test_the_parts_of_a_day_meet(day: date, hours: int) -> None:
    """No moment is counted twice or left out, also when the clocks change."""
    with timezone.override(ZoneInfo("Europe/Berlin")):
        parts = list(sales.windows(day))
    starts, ends = [start for start, _ in parts], [end for _, end in parts]
    assert starts[1:] == ends[:-1]
    assert ends[-1] - starts[0] == timedelta(hours=hours)
    assert len({end - start for start, end in parts}) == 1


def test_the_stored_report_is_a_file(admin_client: Client) -> None:
    """What accountants want: CSV, named after its day."""
    report = Report.objects.create(day=DAY, state=Report.State.DONE, content="category\n")
    response = admin_client.get(f"/reports/{report.pk}.csv")
    assert response.content == b"category\n"
    assert response["Content-Disposition"] == 'attachment; filename="sales-2026-03-10.csv"'
