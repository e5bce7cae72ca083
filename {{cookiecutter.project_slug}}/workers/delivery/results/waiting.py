"""Waiting for results: polled, and never without an end.

Celery would subscribe to a channel of Redis for each task that is sent, and wait there. That wait does not notice a
Redis that fell silent, ends for good after some failed connections ("the Celery application must be restarted"), and
never hears of a result that is kept elsewhere.
"""

from collections.abc import Iterator
from time import monotonic, sleep
from typing import Any, Final

from celery.exceptions import TimeoutError as NotDoneError
from celery.result import GroupResult as CeleryGroupResult
from celery.result import ResultSet as CeleryResultSet

#: Seconds that `get()` waits where it is not told how long.
DEFAULT: Final = 60.0
#: Seconds between two looks: a twentieth of the time waited so far, from a millisecond to half a second. So a result is
#: seen 5 % later than it is there, at most, and the first 10 s take 150 looks.
SHARE: Final = 0.05
SHORTEST: Final = 0.001
LONGEST: Final = 0.5


def looks(timeout: float | None, what: str) -> Iterator[None]:
    """One item a look, with a pause before each but the first; NotDoneError after `timeout` seconds, or DEFAULT."""
    limit = DEFAULT if timeout is None else timeout
    began = monotonic()
    while True:
        yield
        waited = monotonic() - began
        if waited >= limit:
            told = " (the default: pass timeout=)" if timeout is None else ""
            raise NotDoneError(f"{what} not done within {limit:.3g} s{told}")
        sleep(min(max(waited * SHARE, SHORTEST), LONGEST, limit - waited))


class ResultSet(CeleryResultSet):
    """Several results. `join` is bounded for all of them together, not for each in turn; `get` is so already."""

    def join(self, timeout: float | None = None, *args: Any, **options: Any) -> list[Any]:
        """The results as a list; Celery's, with DEFAULT seconds instead of none."""
        return super().join(DEFAULT if timeout is None else timeout, *args, **options)


class GroupResult(CeleryGroupResult):
    """The results of a group."""

    def join(self, timeout: float | None = None, *args: Any, **options: Any) -> list[Any]:
        """As ResultSet's."""
        return super().join(DEFAULT if timeout is None else timeout, *args, **options)
