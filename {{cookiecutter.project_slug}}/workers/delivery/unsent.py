"""What the broker has not taken yet: a worker's main process keeps it in memory and tries again.

Tasks to be sent again and dead letters, while the broker is away or its queue is full. workers/steps/unsent.py calls.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from workers.delivery.outlet import NotSentError

#: Seconds that a worker which stops goes on trying. Its unit's stop time-out has a margin of 30.
FAREWELL: Final = 15.0
#: Seconds between two rounds of that.
ROUND: Final = 0.5

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Unsent:
    """One message, and what to do once the broker has it."""

    task: str
    task_id: str
    send: Callable[[], None]
    """Raises NotSentError."""
    done: Callable[[], None]
    is_held: bool
    """Whether the broker has the message it is made of, unacknowledged: it comes back with a lost connection."""


_waiting: Final[deque[Unsent]] = deque()


def keep(unsent: Unsent, error: NotSentError) -> None:
    """Try again later."""
    logger.warning("not_sent", task=unsent.task, task_id=unsent.task_id, reason=str(error), waiting=len(_waiting) + 1)
    _waiting.append(unsent)


def waiting() -> int:
    """How many there are."""
    return len(_waiting)


def try_again() -> None:
    """Send what waits, until one fails; threads may do so at the same time."""
    while _waiting:
        unsent = _waiting.popleft()
        try:
            unsent.send()
        except NotSentError:
            _waiting.appendleft(unsent)
            return
        unsent.done()
        logger.info("sent_at_last", task=unsent.task, task_id=unsent.task_id, waiting=len(_waiting))


def forget_held() -> None:
    """Leave to the broker what it gives back by itself, now that the connection is another."""
    kept = [unsent for unsent in _waiting if not unsent.is_held]
    _waiting.clear()
    _waiting.extend(kept)


def flush() -> None:
    """Send the rest before the process leaves, for FAREWELL seconds at most; what is left is lost, and named."""
    forget_held()
    deadline = time.monotonic() + FAREWELL
    try_again()
    while _waiting and time.monotonic() < deadline:
        time.sleep(ROUND)
        try_again()
    for unsent in _waiting:
        logger.critical("task_lost_with_its_worker", task=unsent.task, task_id=unsent.task_id)
