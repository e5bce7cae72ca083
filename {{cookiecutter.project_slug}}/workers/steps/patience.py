"""Waiting for a broker: longer each time, and never in the way of a stop."""

import time
from collections.abc import Iterator
from typing import Final

from celery.worker.state import maybe_shutdown

from workers.supervision.pulse import pulse

#: Seconds. A broker that comes back is found within the longest; a thousand workers ask 200 times a second meanwhile.
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 5.0
#: Seconds between two looks whether the worker is to stop.
STEP: Final = 0.2


def pauses() -> Iterator[float]:
    """Seconds to wait after the first, the second, ... attempt in vain: without end."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE)


def rest(seconds: float) -> None:
    """Sleep, unless the worker is to stop: that leaves by WorkerShutdown."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        maybe_shutdown()
        pulse.turn()
        time.sleep(STEP)
