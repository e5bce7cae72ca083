"""Durable tasks, and processes that send them and die: `python -m tests.delivery.outboxes ACTION`."""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import redis
from celery import Task

from config.celery import app

QUEUE = "default"
#: Rows that a process of a test writes at once.
MANY = 300


@app.task(name="celery.keep", durable=True, public_arguments=("item",))
def keep(item: int = 0) -> int:
    """A durable task; its name is of a kind that every project's `workers.yml` gives to a group."""
    return item


@app.task(name="celery.sum_up", durable=True, ignore_result=False)
def sum_up(items: list[int]) -> int:
    """The end of a chord."""
    return sum(items)


@app.task(name="celery.count", durable=True, ignore_result=False)
def count(item: int) -> int:
    """A part of a chord."""
    return item


@app.task(name="celery.resend", bind=True, durable=True, max_retries=1)
def resend(self: Task[Any, Any]) -> None:
    """One that retries itself."""
    raise self.retry(countdown=1)


def sent(client: redis.Redis, prefix: str = "") -> Counter[str]:
    """How often each message is in the queue, by its id."""
    keys: Any = client.keys(f"{prefix}*{QUEUE}")
    raw: Any = [text for key in keys for text in client.lrange(key, 0, -1)]
    return Counter(json.loads(text)["headers"]["id"] for text in raw)


def die(*_: object, **__: object) -> None:
    """End this process as a power loss does."""
    os.kill(os.getpid(), signal.SIGKILL)


def say(text: str) -> None:
    """Tell the test, before this process dies."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def accept() -> None:
    """Accept an order, and send its task after the commit."""
    from django.db import transaction

    with transaction.atomic():
        say(keep.delay(item=1).id)


def die_before_the_commit() -> None:
    """Die when the row is written, and its transaction is not committed."""
    from django.db import transaction

    with transaction.atomic():
        say(keep.delay(item=1).id)
        die()


def die_before_it_is_sent() -> None:
    """Die between the commit and the broker."""
    from workers.delivery.outbox import sender

    with patch.object(sender, "send", die):
        accept()


def die_before_it_is_noted() -> None:
    """Die when the broker has the message, and its row is still there."""
    from workers.delivery.outbox import store

    with patch.object(store, "forget", die):
        accept()


def fill() -> None:
    """Write many rows, and send none."""
    from django.db import transaction

    from workers.delivery.outbox import sender

    with patch.object(sender, "is_open", lambda _queue: False), transaction.atomic():
        for item in range(MANY):
            keep.delay(item=item)


def relay_and_die() -> None:
    """Be a relay that dies in the middle of its second batch, when the broker has part of it."""
    from workers.delivery.outbox import batch, store
    from workers.delivery.outbox.relay import Relay

    attempts = iter(range(MANY))
    attempt = batch._attempt

    def attempted(*given: Any) -> bool:
        if next(attempts) == store.BATCH + store.BATCH // 2:
            die()
        return attempt(*given)

    with patch.object(batch, "_attempt", attempted):
        Relay(app, lambda: False).send_once()


if __name__ == "__main__":
    import django

    django.setup()
    action: Callable[[], None] = getattr(sys.modules["__main__"], sys.argv[1])
    action()
