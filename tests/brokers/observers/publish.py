"""A producer: sends tasks at a steady pace until it is ended, and writes down which of them the broker confirmed.

Usage: python -m tests.brokers.observers.publish ours|stock RATE [alone]

`alone`: only tasks that run at once; the one producer without it also sends tasks with a countdown and feeds the second
queue. After a stall it goes on at its pace; what it missed is not sent later.
"""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import os
import sys
import time
from collections.abc import Callable
from itertools import count
from typing import Final

from tests.brokers.observers.events import NAME_VARIABLE, Kind, record

#: Seconds; every ETA task is due so long after it was sent.
COUNTDOWN: Final = 3
#: Of the tasks sent, every fourth is followed by one with a countdown, every tenth by one for the second queue.
ETA_EVERY: Final = 4
SIDE_EVERY: Final = 10
SHOWN: Final = 200  # characters of an error

Send = Callable[[Kind, str, float], None]


def ours() -> Send:
    """How the generated project sends."""
    from config.env import select_settings  # noqa: PLC0415 - each client imports its own side only

    select_settings()
    import django  # noqa: PLC0415

    django.setup()
    from probe.tasks import default, priority  # noqa: PLC0415

    def send(kind: Kind, identifier: str, due: float) -> None:
        task = default.observe if kind == "side" else priority.observe
        task.apply_async((kind, identifier, due), countdown=COUNTDOWN if kind == "eta" else None)

    return send


def stock() -> Send:
    """How stock Celery sends."""
    from tests.brokers.stock import observe  # noqa: PLC0415

    def send(kind: Kind, identifier: str, due: float) -> None:
        queue = "side" if kind == "side" else "main"
        observe.apply_async((kind, identifier, due), queue=queue, countdown=COUNTDOWN if kind == "eta" else None)

    return send


def attempt(send: Send, kind: Kind, number: int) -> None:
    """Send one task; what happened is written down."""
    identifier = f"{os.environ[NAME_VARIABLE]}-{kind}-{number}"
    due = time.monotonic() + (COUNTDOWN if kind == "eta" else 0)
    try:
        send(kind, identifier, due)
    except Exception as error:  # noqa: BLE001 - whatever a client's caller would see is a failure
        record("failed", kind, identifier, due, f"{type(error).__name__}: {error}"[:SHOWN])
    else:
        record("sent", kind, identifier, due)


def publish(send: Send, rate: float, *, alone: bool) -> None:
    """Send for ever."""
    began = time.monotonic()
    for number in count():
        attempt(send, "now", number)
        if not alone and number % ETA_EVERY == 0:
            attempt(send, "eta", number)
        if not alone and number % SIDE_EVERY == 0:
            attempt(send, "side", number)
        # The next beat of the clock that is still to come, so that a stall is not followed by a burst.
        time.sleep(1 / rate - (time.monotonic() - began) % (1 / rate))


if __name__ == "__main__":
    sender = {"ours": ours, "stock": stock}[sys.argv[1]]()
    publish(sender, float(sys.argv[2]), alone="alone" in sys.argv)
