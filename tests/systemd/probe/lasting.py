"""A task that goes on when it is asked to end; appended to the probe of each group."""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import time

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from probe import ledger


@shared_task
def last(identifier: str, seconds: float) -> None:
    """Take that long, up to the hard limit."""
    kind = f"last.{__name__.rpartition('.')[2]}"
    ledger.write("began", kind, identifier)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            time.sleep(0.1)
        except SoftTimeLimitExceeded:
            continue
    ledger.write("done", kind, identifier)
