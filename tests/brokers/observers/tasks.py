"""The task whose runs are observed; placed into the measured groups of a generated project."""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

from celery import shared_task, signals

from tests.brokers.observers.events import record


@signals.celeryd_after_setup.connect(weak=False)
def loaded(**_: object) -> None:
    """Write down that the worker is about to connect."""
    record("up")


@shared_task
def observe(kind: str, identifier: str, due: float) -> None:
    """Write down that it runs."""
    record("run", kind, identifier, due)
