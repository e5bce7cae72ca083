"""Long and heavy: imports and sales."""

from datetime import date, datetime, timedelta

from celery import chord, shared_task
from django.utils import timezone

from shop import catalogue, sales
from shop.models import ImportJob, Payment, Report
from shop.tasks.priority import charge
from workers.delivery.base import Task
from workers.delivery.checkpoints import checkpoint

# Longer than all retries of `charge` together, which take about a minute.
FORGOTTEN_AFTER = timedelta(minutes=5)
# Providers forget idempotency keys after a day: charging later might charge twice.
GIVEN_UP_AFTER = timedelta(days=1)


# Who uploads can be told to come back; who was told "accepted" cannot.
@shared_task(base=Task, public_arguments=("job_id",), durable=True, when_full="refuse")
def import_catalogue(job_id: int) -> None:
    """Bring an uploaded catalogue into the shop, in chunks; whatever ends a run, the next one goes on there."""
    job = ImportJob.objects.get(pk=job_id)
    if job.finished:
        return
    # Under the job's name and not the task's: one that is sent twice is one import, too.
    with checkpoint(f"import {job_id}") as point:
        try:
            catalogue.run_import(job, point)
        except catalogue.CatalogueError as error:
            # The file is wrong, and will be wrong the next time: told to whoever uploaded it, not retried.
            catalogue.finish(job, ImportJob.State.FAILED, str(error))


@shared_task(base=Task, public_arguments=("day",), durable=True)
def nightly_report(day: str | None = None) -> None:
    """Build the report of a day (yesterday, unless told), its parts side by side."""
    of = date.fromisoformat(day) if day else timezone.localdate() - timedelta(days=1)
    report, _ = Report.objects.update_or_create(day=of, defaults={"state": Report.State.BUILDING})
    # A chord: `combine_report` gets the results of all parts when the last one is done, in their order.
    parts = [report_part.s(start=start.isoformat(), end=end.isoformat()) for start, end in sales.windows(of)]
    # Without on_error a failed part leaves the report "building" for ever: the body is simply not run. Immutable (si):
    # it would get the failed task's id before its own argument.
    chord(parts, combine_report.s(report_id=report.pk).on_error(fail_report.si(report_id=report.pk))).delay()


# The chord's body needs the results, which all other tasks ignore: storing one costs a round trip.
@shared_task(base=Task, public_arguments=("start", "end"), ignore_result=False)
def report_part(start: str, end: str) -> sales.Part:
    """Add up the sales between two moments."""
    return sales.add_up(datetime.fromisoformat(start), datetime.fromisoformat(end))


@shared_task(base=Task, public_arguments=("report_id",))
def combine_report(parts: list[sales.Part], report_id: int) -> None:
    """Store the report of which these are the parts."""
    sales.store(report_id, parts)


@shared_task(base=Task, public_arguments=("report_id",))
def fail_report(report_id: int) -> None:
    """Say that a part of the report failed; asking for it again builds it anew."""
    Report.objects.filter(pk=report_id).update(state=Report.State.FAILED, finished_at=timezone.now())


@shared_task(base=Task, when_full="shed")  # the next one comes in five minutes
def charge_forgotten() -> None:
    """Charge what has been pending for minutes: its task ran out of tries, or was lost.

    Safe beside a charge that is still under way, because a payment is charged once.
    """
    now = timezone.now()
    forgotten = Payment.objects.filter(
        state=Payment.State.PENDING,
        created_at__range=(now - GIVEN_UP_AFTER, now - FORGOTTEN_AFTER),
    )
    for payment_id in forgotten.values_list("pk", flat=True).iterator():
        charge.delay(payment_id=str(payment_id))
