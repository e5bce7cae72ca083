"""Sends tasks as it is told, one order a line: [group, how many, seconds]; 0: five a second, to the end of input.

Usage: python -m tests.systemd.send TOKEN
"""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import json
import sys
import time
from importlib import import_module
from itertools import count
from threading import Event, Thread
from typing import Final

from tests.delivery import ledger

#: Seconds between two short tasks of a group.
EVERY: Final = 0.2


def main(token: str) -> None:
    """Until the input ends."""
    from config.env import select_settings  # noqa: PLC0415 - the project's own, once its settings are chosen

    select_settings()
    import django  # noqa: PLC0415

    django.setup()
    over, numbers, flows = Event(), count(), []
    for line in sys.stdin:
        group, how_many, seconds = json.loads(line)
        if how_many:
            for _ in range(how_many):
                send(group, "last", f"{token}-long-{next(numbers)}", seconds)
        else:
            flows.append(Thread(target=flow, args=(group, token, seconds, over)))
            flows[-1].start()
    over.set()
    for each in flows:
        each.join()


def flow(group: str, token: str, seconds: float, over: Event) -> None:
    """Send one after the other."""
    for number in count():
        send(group, "note", f"{token}-short-{group}-{number}", seconds)
        if over.wait(EVERY):
            return


def send(group: str, task: str, identifier: str, seconds: float) -> None:
    """Send one, and write down whether it was accepted."""
    began, kind = time.monotonic(), f"{task}.{group}"
    ledger.write("tried", kind, identifier)
    given = {"identifier": identifier, "seconds": seconds}
    try:
        getattr(import_module(f"probe.tasks.{group}"), task).apply_async(kwargs=given, task_id=identifier)
    except Exception as error:  # noqa: BLE001 - whatever a caller would see is a refusal
        ledger.write("refused", kind, identifier, why=str(error))
    else:
        ledger.write("accepted", kind, identifier, took=time.monotonic() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
