"""Stock Celery: its documentation's first steps, nothing tuned. Runs on the host, and sends from this machine.

Usage: python proj.py TOKEN    sends as tests/systemd/send.py does: [_, how many, seconds] a line, 0: five a second
"""

# mypy: ignore-errors
# It runs with Celery, which the template's own environment has not.

import json
import os
import sys
import time
from itertools import count
from threading import Event, Thread

try:
    import ledger
except ImportError:  # on this machine
    from tests.delivery import ledger
from celery import Celery
from celery.worker.control import control_command

app = Celery("proj", broker=os.environ["STOCK_URL"])


@app.task
def note(identifier: str, seconds: float) -> None:
    """Take time."""
    ledger.write("began", "note.stock", identifier)
    time.sleep(seconds)
    ledger.write("done", "note.stock", identifier)


@control_command()
def deafen(state):  # noqa: ANN001, ANN201 - Celery's
    """Have the broker send nothing more; nobody in the worker knows of it."""
    state.consumer.task_consumer.cancel()
    return "done"


def send(identifier: str, seconds: float) -> None:
    """Send one."""
    ledger.write("tried", "note.stock", identifier)
    note.delay(identifier, seconds)
    ledger.write("accepted", "note.stock", identifier)


def flow(token: str, seconds: float, over: Event) -> None:
    """Send one after the other."""
    for number in count():
        send(f"{token}-short-{number}", seconds)
        if over.wait(0.2):
            return


if __name__ == "__main__":
    ended, numbers = Event(), count()
    for line in sys.stdin:
        _, how_many, each = json.loads(line)
        for _ in range(how_many):
            send(f"{sys.argv[1]}-long-{next(numbers)}", each)
        if not how_many:
            Thread(target=flow, args=(sys.argv[1], each, ended)).start()
    ended.set()
