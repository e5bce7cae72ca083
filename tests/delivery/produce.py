"""A producer: sends every kind of task at its pace until it is told to end, and writes down what became of each.

Usage: python -m tests.delivery.produce TOKEN [HOW]

Ids begin with TOKEN. With HOW (memory or segfault) also tasks that die so. Each kind has a thread of its own, as a web
server's requests have: one that waits for a broker or a database holds up no other.
"""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import faulthandler
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from itertools import count
from threading import Event, Thread
from typing import Any, Final

from tests.delivery import ledger
from tests.delivery.kinds import KINDS, MORTAL, Kind

#: Of those whose result is fetched, every so many are asked for at once, with so many seconds to wait.
ASKED_EVERY: Final = 8
PATIENCE: Final = 3
SHOWN: Final = 200  # characters of an error

Send = Callable[[str], Any]


def main(token: str, how: str = "") -> None:
    """Send until SIGTERM."""
    from config.env import select_settings  # noqa: PLC0415 - the project's own, once its settings are chosen

    select_settings()
    import django  # noqa: PLC0415

    django.setup()
    over = Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    faulthandler.register(signal.SIGUSR1)  # says where every thread is
    mortal = MORTAL if how else ()
    threads = [Thread(target=pace, args=(kind, token, how, over)) for kind in (*KINDS, *mortal)]
    for thread in threads:
        thread.start()
    print("started", flush=True)  # noqa: T201 - whoever started it waits for this
    for thread in threads:
        thread.join()


def pace(kind: Kind, token: str, how: str, over: Event) -> None:
    """Send tasks of a kind; what a stall has cost is made up for by none."""
    send = sender(kind, how)
    began = time.monotonic()
    for number in count():
        attempt(kind, f"{token}-{kind.name}-{number}", send, number)
        if over.wait(1 / kind.rate - (time.monotonic() - began) % (1 / kind.rate)):
            return


def attempt(kind: Kind, identifier: str, send: Send, number: int) -> None:
    """Send one, and write down whether it was accepted, and after how long that was known."""
    ledger.write("tried", kind.name, identifier)
    began = time.monotonic()
    try:
        sent = send(identifier)
    except Exception as error:  # noqa: BLE001 - whatever a caller would see is a refusal
        why = f"{type(error).__name__}: {error}"[:SHOWN]
        ledger.write("refused", kind.name, identifier, took=time.monotonic() - began, why=why)
        return
    ledger.write("accepted", kind.name, identifier, took=time.monotonic() - began)
    if kind.fetched and number % ASKED_EVERY == 0:
        ask(kind, identifier, sent)


def ask(kind: Kind, identifier: str, sent: Any) -> None:  # noqa: ANN401 - Celery's AsyncResult
    """Ask for a result, bounded."""
    began = time.monotonic()
    try:
        sent.get(timeout=PATIENCE)
    except Exception as error:  # noqa: BLE001 - whatever a caller would see
        why = f"{type(error).__name__}: {error}"[:SHOWN]
        ledger.write("missed", kind.name, identifier, took=time.monotonic() - began, why=why)
    else:
        ledger.write("got", kind.name, identifier, took=time.monotonic() - began)


def sender(kind: Kind, how: str) -> Send:
    """How a task of a kind is sent."""
    task = getattr(import_module(f"probe.tasks.{kind.group}"), kind.task)
    more = {"how": how} if kind.task == "fall" else {}

    def send(identifier: str) -> object:
        named = {"identifier": identifier, "seconds": kind.seconds, **more}
        if kind.paid:  # somebody clicked twice: two tasks, one payment
            task.apply_async(kwargs=named, task_id=f"{identifier}-twice")
        return task.apply_async(kwargs=named, task_id=identifier, countdown=kind.countdown)

    return in_a_transaction(send) if kind.durable else send


def in_a_transaction(send: Send) -> Send:
    """Send as part of writing an order."""
    from django.db import close_old_connections, connection, transaction  # noqa: PLC0415 - needs the settings

    def committed(identifier: str) -> object:
        close_old_connections()  # as Django does before each request
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO orders (id) VALUES (%s)", [identifier])
            return send(identifier)

    return committed


if __name__ == "__main__":
    main(*sys.argv[1:])
