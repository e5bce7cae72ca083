"""How far things have come, as JSON: what the API answers and what the pages ask for while they wait."""

from typing import Any

from django.db.models import Count, F, Q
from django.urls import reverse

from shop.models import DeliverySlip, ImportJob, Newsletter, Order, Report
from shop.models.slips import SURE

KNOWN = ~Q(state=DeliverySlip.State.WAITING) & ~Q(expected="")
UNSURE = Q(state=DeliverySlip.State.UNREADABLE) | Q(state=DeliverySlip.State.READ, confidence__lt=SURE)


def order_state(order: Order) -> dict[str, Any]:
    """An order and the steps it has taken."""
    reached = {
        Order.State.PLACED: ["placed"],
        Order.State.PAID: ["placed", "paid"],
        Order.State.CONFIRMED: ["placed", "paid", "confirmed"],
        Order.State.DECLINED: ["placed", "declined"],
    }
    return {
        "id": str(order.pk),
        "state": order.state,
        "reached": reached[Order.State(order.state)],
        "finished": order.finished,
        "total_cents": order.total_cents,
        "page": reverse("shop:order", args=[order.pk]),
    }


def import_state(job: ImportJob) -> dict[str, Any]:
    """An import and its rows."""
    return {
        "id": job.pk,
        "state": job.state,
        "finished": job.finished,
        "message": job.message,
        "rows_total": job.rows_total,
        "rows_done": job.rows_done,
        "rows_bad": job.rows_bad,
    }


def slip_state(slip: DeliverySlip) -> dict[str, Any]:
    """A slip and what was read in it."""
    return {
        "id": slip.pk,
        "state": slip.state,
        "finished": slip.finished,
        "digits": slip.digits,
        "confidence": round(slip.confidence, 3),
        "unsure": slip.unsure,
        "expected": slip.expected,
        "message": slip.message,
    }


def newsletter_state(newsletter: Newsletter) -> dict[str, Any]:
    """A newsletter and how many of its parts are sent."""
    waiting = newsletter.parts.filter(sent_at=None).count()
    return {
        "id": newsletter.pk,
        "recipients": newsletter.recipients,
        "parts_waiting": waiting,
        "finished": newsletter.recipients is not None and not waiting,
    }


def report_state(report: Report) -> dict[str, Any]:
    """A report and its sums."""
    return {
        "id": report.pk,
        "day": report.day.isoformat(),
        "state": report.state,
        "finished": report.finished,
        "orders": report.orders,
        "revenue_cents": report.revenue_cents,
    }


def slips_state() -> dict[str, Any]:
    """All slips together."""
    slips = DeliverySlip.objects.aggregate(
        total=Count("pk"),
        waiting=Count("pk", filter=Q(state=DeliverySlip.State.WAITING)),
        unsure=Count("pk", filter=UNSURE),
        known=Count("pk", filter=KNOWN),
        correct=Count("pk", filter=KNOWN & Q(digits=F("expected"))),
        slipped=Count("pk", filter=KNOWN & ~UNSURE & ~Q(digits=F("expected"))),
    )
    return {**slips, "read": slips["total"] - slips["waiting"], "finished": not slips["waiting"]}


def reports_state() -> dict[str, Any]:
    """All reports together."""
    building = Report.objects.filter(state=Report.State.BUILDING).count()
    return {"building": building, "finished": not building}
