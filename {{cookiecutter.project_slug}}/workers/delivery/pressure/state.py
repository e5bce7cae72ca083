"""What is known of a queue: how long it is, whether that is too long, and how fast it shrinks."""

from dataclasses import dataclass
from math import ceil
from typing import Final

from workers.topology import Group
from workers.topology.budgets import full_at, recovers_at

#: Seconds that somebody is told to wait, at least and at most: sooner nothing has changed, later nobody comes back.
SHORTEST_WAIT: Final = 5
LONGEST_WAIT: Final = 120
#: The share of the newest measurement in the speed: half of it is from the last three.
NEWEST: Final = 0.3


@dataclass(frozen=True)
class QueueState:
    """A queue at one moment."""

    depth: int
    """Messages that no worker has taken."""
    at: float
    """When they were counted, by time.monotonic."""
    full: bool = False
    shrinks: float = 0.0
    """Messages that it gets fewer a second; negative where it grows."""
    retry_after: int = LONGEST_WAIT
    """Seconds after which it should have recovered."""


def following(before: QueueState | None, depth: int, at: float, group: Group) -> QueueState:
    """The state after another look, at which so many waited.

    Full from the group's `full_at` on, and until a fifth less: with one limit for both it would change at each look.
    """
    full = depth > (recovers_at(group) if before and before.full else full_at(group) - 1)
    speed = _speed(before, depth, at)
    too_many = max(0, depth - recovers_at(group))
    wait = ceil(too_many / speed) if speed > 0 else LONGEST_WAIT
    return QueueState(depth, at, full, speed, min(max(wait, SHORTEST_WAIT), LONGEST_WAIT))


def _speed(before: QueueState | None, depth: int, at: float) -> float:
    if before is None or at <= before.at:
        return 0.0
    now = (before.depth - depth) / (at - before.at)
    return now * NEWEST + before.shrinks * (1 - NEWEST) if before.shrinks else now
