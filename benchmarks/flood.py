"""The client of the flood: runs in the generated project's environment, prints the priority tasks' waits as JSON.

Usage: flood.py ours|stock
"""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import json
import sys
import time
from collections.abc import Callable
from typing import Any

FLOOD, FLOOD_SECONDS = 600, 0.1
URGENT, URGENT_EVERY = 60, 0.2

Send = Callable[[float, float], Any]


def ours() -> tuple[Send, Send]:
    """How the generated project sends a batch task and a priority task."""
    from config.env import select_settings

    select_settings()
    import django

    django.setup()
    from probe.tasks import batch, priority

    return batch.pause.delay, priority.pause.delay


def stock() -> tuple[Send, Send]:
    """How stock Celery sends both: to the one queue there is."""
    from benchmarks.stock import pause

    return pause.delay, pause.delay


def waits(send_batch: Send, send_urgent: Send) -> list[float]:
    """Flood, then send urgent tasks one by one; the seconds each of these waited."""
    for _ in range(FLOOD):
        send_batch(time.time(), FLOOD_SECONDS)
    results = []
    for _ in range(URGENT):
        results.append(send_urgent(time.time(), 0.0))
        time.sleep(URGENT_EVERY)
    return [result.get(timeout=120) for result in results]


if __name__ == "__main__":
    print(json.dumps(waits(*{"ours": ours, "stock": stock}[sys.argv[1]]())))
