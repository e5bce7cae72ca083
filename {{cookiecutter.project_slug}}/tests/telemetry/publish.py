"""Sends Celery's own `accumulate` as a web process would: run with `python -m tests.telemetry.publish ok fail ...`."""

import sys

import django
import structlog

import telemetry
from config.env import select_settings

SECRET = "zqx-only-the-task-may-see-this"
CONTEXT = "zqx-only-the-web-process-may-see-this"


def main(outcomes: list[str]) -> None:
    """Send one task for each outcome, each within a request of its own."""
    select_settings()
    telemetry.start_web()
    django.setup()
    from config.celery import app

    for number, outcome in enumerate(outcomes):
        with structlog.contextvars.bound_contextvars(request_id=f"request-{number}", something_else=CONTEXT):
            # An index that is out of range is how `accumulate` fails.
            app.send_task("celery.accumulate", args=(SECRET,), kwargs={"index": 0 if outcome == "ok" else 9})
    telemetry.stop_web()


if __name__ == "__main__":
    main(sys.argv[1:])
