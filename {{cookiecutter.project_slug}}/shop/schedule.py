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
        # Done by the next one if it waited that long: they must not pile up behind an import.
        "options": {"expires": 290},
    },
}
