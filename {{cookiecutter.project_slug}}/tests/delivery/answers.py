"""Tasks with results, and a client of them: `python -m tests.delivery.answers EXPRESSION` prints its value as JSON."""

import json
import sys
import time
from contextlib import suppress
from typing import Any

from celery import chord, group
from celery.exceptions import SoftTimeLimitExceeded
from celery.exceptions import TimeoutError as CeleryTimeoutError
from django.db import connection, transaction

from config.celery import app

__all__ = ["ask", "chord", "group"]  # for expressions


@app.task(name="shop.tasks.batch.double", ignore_result=False)
def double(number: int, folder: str = "") -> int:
    """Twice the number; with a `folder`, once the test says go."""
    from tests.delivery.work import hold_at

    hold_at("here", "here", folder)
    return 2 * number


@app.task(name="shop.tasks.batch.stand", ignore_result=False, dead_letter=False, soft_time_limit=1, time_limit=2)
def stand() -> None:
    """Take no notice of the soft time limit, so that the hard one strikes."""
    while True:
        with suppress(SoftTimeLimitExceeded):
            time.sleep(60)


@app.task(name="shop.tasks.batch.add_up", ignore_result=False)
def add_up(numbers: list[int], name: str = "sum") -> int:
    """The sum; notes it in the ledger."""
    from tests.delivery.work import note

    note(name, sum(numbers))
    return sum(numbers)


@app.task(name="shop.tasks.batch.note_failure")
def note_failure(name: str = "failed") -> None:
    """Note that a chord failed."""
    from tests.delivery.work import note

    note(name, 1)


def batch(name: str) -> Any:
    """A task of the project's own, which a spawned child knows, too."""
    return app.tasks[f"shop.tasks.batch.{name}"]


def kept_with_a_connection_left_open() -> bool:
    """Store a result as a worker's main process does, which has no connection to the database."""
    connection.close()
    app.backend.store_result("of-main", ValueError("lost"), "FAILURE")
    return connection.connection is not None


def kept_despite_a_rollback() -> bool:
    """Store a result in the middle of a transaction that fails."""
    from workers.delivery.models import KeptResult

    with suppress(KeyError), transaction.atomic():
        list(KeptResult.objects.all())
        app.backend.store_result("of-a-rollback", 1, "SUCCESS")
        raise KeyError
    return KeptResult.objects.exists()


def within(seconds: float, sent: Any) -> Any:
    """The result, or None where there is none by then: it may be lost."""
    try:
        return sent.get(timeout=seconds)
    except CeleryTimeoutError:
        return None


def ask(expression: str) -> Any:
    """The value of an expression over what is imported here."""
    return eval(expression)  # the test's own


if __name__ == "__main__":
    import django

    django.setup()
    sys.stdout.write(json.dumps(ask(sys.argv[1])))
