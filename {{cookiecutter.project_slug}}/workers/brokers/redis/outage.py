"""How long a primary has been missing, and how long a process waits for it."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004 - the client's own, not Python's
from redis.retry import Retry

#: Seconds a process waits, from the first failure on, for a primary to come back; then it fails at once until one does.
#: A fail-over takes 3 to 4, one whose first attempt fails twice that.
PATIENCE: Final = 10.0
#: Seconds between two tries.
PAUSE: Final = 0.1
#: Seconds without a failure after which the next one begins an outage of its own.
FORGOTTEN: Final = 30.0

logger = logging.getLogger(__name__)

T = TypeVar("T")


class MisconfiguredError(ConnectionError):
    """What waiting does not mend: a wrong password, name or certificate. The message names the variable to look at."""


class Outage:
    """The time that a primary has been missing, for all connections of this process together.

    One clock for all of them: each by itself would begin to wait anew, and so would each new request.
    """

    def __init__(self) -> None:
        """Nothing is missing."""
        self._began: float | None = None
        self._last = 0.0

    def outlasts(self, patience: float, error: Exception) -> bool:
        """Whether it has lasted for `patience` seconds, to be asked at each failure; the first one begins it.

        A line at its beginning says what is waited for: who starts a worker sees it at once.
        """
        now = time.monotonic()
        if self._began is None or now - self._last > FORGOTTEN:
            self._began = now
            logger.warning("%s; waiting for a primary, %g s at most", error, patience)
        self._last = now
        return now - self._began >= patience

    def end(self) -> None:
        """The primary has answered."""
        self._began = None


_outages: Final[dict[str, Outage]] = {}


def outage_of(name: str) -> Outage:
    """The outage of the primary called `name`, if there is one."""
    return _outages.setdefault(name, Outage())


class Patient(Retry):
    """Sends a command again while patience lasts. It may have been carried out before its connection broke."""

    def __init__(self, outage: Outage, patience: float) -> None:
        """Patience in seconds, for the whole outage."""
        super().__init__(NoBackoff(), 1)
        self._outage = outage
        self._patience = patience

    def __deepcopy__(self, _: Any) -> "Patient":
        """Itself: redis-py makes a copy for each connection, and the clock is one."""
        return self

    def call_with_retry(
        self,
        do: Callable[[], T],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,  # noqa: FBT002 - redis-py's signature
    ) -> T:
        """What `do` returns; `fail` is called after each failure, and closes the connection."""
        failures = 0
        while True:
            try:
                return do()
            except (ConnectionError, TimeoutError) as error:
                failures += 1
                fail(error, failures) if with_failure_count else fail(error)
                hopeless = isinstance(error, MisconfiguredError) or (is_retryable and not is_retryable(error))
                if hopeless or self._outage.outlasts(self._patience, error):
                    raise
                time.sleep(PAUSE)
