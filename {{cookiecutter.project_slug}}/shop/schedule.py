"""What beat sends; `workers` collects it from every app."""

from typing import Any

from celery.schedules import crontab

SCHEDULE: dict[str, dict[str, Any]] = {
    "nightly-report": {
        "task": "shop.tasks.batch.nightly_report",
        # Past the hours that the change of the clocks skips or repeats.
        "schedule": crontab(hour="4", minute="15"),
    },
    "charge-forgotten": {
        "task": "shop.tasks.batch.charge_forgotten",
        "schedule": crontab(minute="*/5"),
        # One that waited until the next is due has nothing left to do: they must not pile up behind an import.
        "options": {"expires": 290},
    },
}
