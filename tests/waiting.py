"""How tests wait: for a condition, not for a time."""

import time
from collections.abc import Callable

#: Seconds: many times what anything here takes on a machine with nothing else to do, and what two busy cores may need.
PATIENCE = 90.0


class NotInTimeError(TimeoutError):
    """What a test waited for did not come; under CI such a test is repeated once, and reported as a RERUN."""


def until(
    condition: Callable[[], bool], what: str | Callable[[], str], timeout: float = PATIENCE, every: float = 0.1
) -> None:
    """Wait for `condition`; raises NotInTimeError that names `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise NotInTimeError(f"waited {timeout:g} s for {what if isinstance(what, str) else what()}")
        time.sleep(every)
