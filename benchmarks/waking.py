"""What it costs that a message wakes every idle consumer of its queue (taking.py), against kombu's BRPOP."""

import json
from statistics import median
from typing import Any

from benchmarks.figures import Figure, spread
from benchmarks.ground import Ground
from benchmarks.sides import NAMES, Side

ROUNDS = 5
#: What is measured beside the wait, by its name in crowd.py's answer.
USED = {"consumers": "in the consumers together", "server": "in Redis"}


def measure(ground: Ground) -> list[Figure]:
    """Both in turn, ROUNDS times, on the same Redis."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}
    with ground.redis():
        for number in range(ROUNDS):
            for name in NAMES if number % 2 else reversed(NAMES):
                found[name].append(_round(Side(ground, name)))
    waits = ([median(each["waits"]) for each in found[name]] for name in NAMES)
    used = (([each[what] for each in found[name]] for name in NAMES) for what in USED)
    return [
        _figure("a message's wait for one of 20 idle consumers, p50", *waits),
        *(_figure(f"processor time a message {about}", *both) for about, both in zip(USED.values(), used, strict=True)),
    ]


def _round(side: Side) -> dict[str, Any]:
    with side.ground.conversation("benchmarks.within.crowd", side.name, environment=side.environment) as process:
        printed, _ = process.communicate(timeout=120)
    if process.returncode:
        raise RuntimeError("the consumers failed; why is in crowd.log")
    answer: dict[str, Any] = json.loads(printed)
    return answer


def _figure(what: str, ours: list[float], theirs: list[float]) -> Figure:
    return Figure(what, f"{spread(ours, 'ms')} against {spread(theirs, 'ms')}", "", f"{ROUNDS} rounds of 100 each")
