"""A circuit breaker: who is known to be away is not waited for."""

from time import monotonic
from types import TracebackType
from typing import Final

import structlog

#: Seconds for which calls are refused after the first failure; each failed try doubles it, up to the second number.
#: A try costs one caller a time-out of about a second: a tenth of its time, where the other side stays silent.
PAUSES: Final = (1.0, 10.0)
#: Seconds between two lines about refusals, of which there is one a call.
QUIET: Final = 30.0

Errors = tuple[type[BaseException], ...]

logger = structlog.get_logger(__name__)


class AwayError(ConnectionError):
    """It does not answer, or takes nothing now; the message says who and why."""


class Breaker:
    """The context of each call to one server, shared by all threads of a process.

    Closed, it lets everything through. An outage opens it: calls are refused at once, but for one now and then, which
    closes it again if it succeeds. Threads may now and then try together; that does no harm.
    """

    def __init__(self, name: str, *, outages: Errors, refusals: Errors = (), harmless: Errors = ()) -> None:
        """Closed. `outages` take time, so they open it; `refusals` are quick; `harmless` ones are neither of both."""
        self._name = name
        self._outages = outages
        self._refusals = refusals
        self._harmless = harmless
        self._pause = 0.0  # 0: closed
        self._trying = False
        self._next_try = 0.0
        self._since = 0.0
        self._reason = ""
        self._told = -QUIET

    def refuse(self) -> None:
        """Raise AwayError where a call would be refused."""
        if self._pause and monotonic() < self._next_try:
            raise AwayError(f"{self._name} is away ({self._reason})")

    def open(self, error: BaseException) -> None:
        """Refuse calls for a while, because of this error."""
        now = monotonic()
        self._reason = str(error) or type(error).__name__
        if not self._pause:
            self._since, self._pause = now, PAUSES[0]
            logger.warning("away", who=self._name, reason=self._reason)
        elif self._trying:  # and not one more of those that failed together
            self._pause = min(self._pause * 2, PAUSES[1])
        self._trying = False
        self._next_try = now + self._pause

    def __enter__(self) -> None:
        if self._pause:
            self.refuse()
            self._trying = True
            self._next_try = monotonic() + self._pause  # for the others, while this one tries

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if error is None:
            if self._pause:
                self._close()
        elif isinstance(error, self._outages):
            self.open(error)
            raise AwayError(f"{self._name} is away ({error})") from error
        elif isinstance(error, self._refusals) and not isinstance(error, self._harmless):
            self._tell(error)
            raise AwayError(f"{self._name} refuses ({error})") from error

    def _close(self) -> None:
        self._pause, self._trying = 0.0, False
        logger.warning("back", who=self._name, away_for=round(monotonic() - self._since, 1))

    def _tell(self, error: BaseException) -> None:
        now = monotonic()
        if now - self._told >= QUIET:
            self._told = now
            logger.warning("refused", who=self._name, reason=str(error))
