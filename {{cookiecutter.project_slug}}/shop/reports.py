"""Asking for a report."""

from datetime import date

from django.db import transaction

from shop.models import Report
from shop.tasks.batch import nightly_report


def ask_for(day: date) -> Report:
    """Have the report of a day built, anew if it is there: the day may go on."""
    with transaction.atomic():  # a report that says "building" is being built
        report, _ = Report.objects.update_or_create(day=day, defaults={"state": Report.State.BUILDING})
        nightly_report.delay(day=day.isoformat())
    return report
