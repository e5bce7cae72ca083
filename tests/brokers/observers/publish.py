"""A producer: sends tasks at a steady pace until it is ended, and writes down which of them the broker confirmed.

Usage: python -m tests.brokers.observers.publish ours|stock RATE [alone | COUNT]

`alone`: only tasks that run at once. COUNT: so many tasks with a long countdown, and then the end. Without either also
tasks with a short countdown, and some for the second queue. After a stall it goes on at its pace: what it missed is not
sent later.
"""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

from tests.brokers.observers.events import NAME_VARIABLE, Kind, record

#: Seconds after which a task is due that has a countdown; those that are sent all the time, and those of a flood.
COUNTDOWN, LONG_COUNTDOWN = 3, 20
#: Of the tasks sent, every fourth is followed by one with a countdown, every fifth by one for the second queue.
ETA_EVERY: Final = 4
SIDE_EVERY: Final = 5
SHOWN: Final = 200  # characters of an error

Send = Callable[[Kind, str, float, int | None], None]


def ours() -> Send:
    """How the generated project sends."""
    from config.env import select_settings  # noqa: PLC0415 - each client imports its own side only

    select_settings()
    import django  # noqa: PLC0415

    django.setup()
    from probe.tasks import default, priority  # noqa: PLC0415

    def send(kind: Kind, identifier: str, due: float, countdown: int | None) -> None:
        task = default.observe if kind == "side" else priority.observe
        task.apply_async((kind, identifier, due), countdown=countdown)

    return send


def stock() -> Send:
    """How stock Celery sends."""
    from tests.brokers.stock import observe  # noqa: PLC0415

    def send(kind: Kind, identifier: str, due: float, countdown: int | None) -> None:
        queue = "side" if kind == "side" else "main"
        observe.apply_async((kind, identifier, due), queue=queue, countdown=countdown)

    return send


def attempt(send: Send, kind: Kind, number: int, countdown: int | None = None) -> None:
    """Send one task; what happened is written down."""
    identifier = f"{os.environ[NAME_VARIABLE]}-{kind}-{number}"
    due = time.monotonic() + (countdown or 0)
    try:
        send(kind, identifier, due, countdown)
    except Exception as error:  # noqa: BLE001 - whatever a client's caller would see is a failure
        record("failed", kind, identifier, due, f"{type(error).__name__}: {error}"[:SHOWN])
    else:
        record("sent", kind, identifier, due)


def beats(rate: float) -> Iterator[int]:
    """The numbers from 0 on, `rate` of them a second; those of a time that has passed by are never made up for."""
    began = time.monotonic()
    for number in count():
        yield number
        time.sleep(1 / rate - (time.monotonic() - began) % (1 / rate))


def mixed(send: Send, number: int) -> None:
    """A task, and every now and then one with a countdown and one for the second queue."""
    attempt(send, "now", number)
    if number % ETA_EVERY == 0:
        attempt(send, "eta", number, COUNTDOWN)
    if number % SIDE_EVERY == 0:
        attempt(send, "side", number)


def main(side: str, rate: str, mode: str = "") -> None:
    """Send until ended, or until COUNT tasks are sent."""
    send = {"ours": ours, "stock": stock}[side]()
    record("up")
    for number in beats(float(rate)):
        if not mode:
            mixed(send, number)
        elif mode == "alone":
            attempt(send, "now", number)
        elif number < int(mode):
            attempt(send, "eta", number, LONG_COUNTDOWN)
        else:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
