"""What proves that a worker consumes, and what does not."""

from dataclasses import replace
from typing import Any

import pytest

from workers.supervision.look import Look, doubt

#: Two slots, both free, and nothing to do; five seconds later as well.
BEFORE = Look(at=100, turned_at=99.5, received=7, begun=7, running=0, reserved=0, slots=2, held=0, credit=2, waiting=0)
IDLE = replace(BEFORE, at=105, turned_at=104.5)


@pytest.mark.parametrize(
    "seen",
    [
        {},
        {"waiting": 9, "received": 8},
        {"waiting": 9, "reserved": 2, "running": 2},
        {"waiting": 9, "reserved": 2, "running": 1, "begun": 8},
        {"waiting": 9, "reserved": 1, "running": 1, "held": 2},
        {"waiting": 9, "held": 12, "credit": 12},
        {"waiting": None},
        {"waiting": 9, "waits_for": "the broker: gone"},
        {"waiting": 9, "told_not_to": True},
        {"waiting": 9, "stopping": True, "turned_at": 20},
    ],
    ids=[
        "nothing waits",
        "received one",
        "busy",
        "busy: a slot's next task waits for it",
        "holds all that it may",
        "holds all that it may: they are not due",
        "the broker cannot be asked",
        "waits for its broker",
        "cancelled by an operator",
        "stops",
    ],
)
def test_it_consumes_or_need_not(seen: dict[str, Any]) -> None:
    """No doubt."""
    assert doubt(replace(IDLE, **seen), BEFORE) == ""


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        ({"waiting": 9}, "9 wait, 2 of 2 slots are free, and it receives nothing"),
        ({"waiting": 9, "reserved": 1, "running": 1}, "9 wait, 1 of 2 slots are free, and it receives nothing"),
        ({"waiting": 9, "held": 11, "credit": 12}, "9 wait, 2 of 2 slots are free, and it receives nothing"),
        ({"turned_at": 65}, "its main loop has been stuck for 40 s"),
        ({"turned_at": 65, "reserved": 2, "running": 2, "waiting": 9}, "its main loop has been stuck for 40 s"),
        ({"turned_at": 65, "waiting": None}, "its main loop has been stuck for 40 s"),
        ({"turned_at": 65, "waits_for": "the broker: gone"}, "its main loop has been stuck for 40 s"),
        ({"reserved": 2}, "it holds 2 tasks and begins none"),
    ],
)
def test_it_is_in_doubt(seen: dict[str, Any], why: str) -> None:
    """And why."""
    assert doubt(replace(IDLE, **seen), BEFORE) == why
