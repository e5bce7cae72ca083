"""What becomes of a task that did not succeed: which errors pass by themselves, how often and when it is tried again.

Not for work that must not be begun twice: such a task sets `autoretry_for = ()` and `max_losses = 0`.
"""

import random
import sys
import time
from collections import defaultdict
from typing import Any, ClassVar, Final

import structlog
from amqp.exceptions import AMQPError, MessageNacked
from celery.contrib.django.task import DjangoTask
from celery.exceptions import Reject
from django.db import InterfaceError
from django.db import OperationalError as DatabaseError
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from workers.delivery import headers

#: What a publish raises where the broker is at fault, and may be better later.
UNREACHABLE: Final = (OperationalError, AMQPError, MessageNacked, OSError)
#: What somebody else's server raises while it is away: the database, a Redis, a service, the broker to which the task
#: sends another. A bug, a refused request and a missing file are not among them: they fail at once.
PASSING: Final = (
    ConnectionError,
    TimeoutError,
    OperationalError,
    DatabaseError,
    InterfaceError,
    RedisConnectionError,
    RedisTimeoutError,
)
#: Seconds between attempts to send a retry, each of which tries every node for some seconds.
PAUSE: Final = 1.0

#: Retries of one task's name that a process may send with their own pause: this share of its runs, a floor a second,
#: and at most so many at once. Above that a service that is down would get more requests than one that is up.
SHARE, FLOOR, BURST = 0.2, 1.0, 20.0
#: Seconds between two lines that say so.
TOLD: Final = 60.0

logger = structlog.get_logger(__name__)


class Budget:
    """The retries that one task's name has left in this process."""

    def __init__(self) -> None:
        self._left = BURST
        self._at = time.monotonic()
        self._told = -TOLD

    def earn(self) -> None:
        """A run was begun."""
        self._left = min(self._left + SHARE, BURST)

    def spend(self) -> bool:
        """Whether there is one left; then it is spent."""
        now = time.monotonic()
        self._left = min(self._left + (now - self._at) * FLOOR, BURST)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def is_news(self) -> bool:
        """Whether nobody was told for a minute; then somebody is."""
        now = time.monotonic()
        news = now - self._told >= TOLD
        self._told = now if news else self._told
        return news


_budgets: Final[defaultdict[str, Budget]] = defaultdict(Budget)


class Retries(DjangoTask[Any, Any]):
    """The policy, by Celery's own names; a task sets what differs for it."""

    #: Errors that another attempt may cure, and those among them that none does.
    autoretry_for: ClassVar[tuple[type[Exception], ...]] = PASSING
    dont_autoretry_for: ClassVar[tuple[type[Exception], ...]] = ()
    #: Seconds up to which the first pause is drawn; each further one from twice as many: 2, 4, 8 ... Full jitter, so
    #: that those which failed together do not come back together.
    retry_backoff: ClassVar[int] = 2
    retry_jitter: ClassVar[bool] = True
    #: Seconds of the longest pause.
    retry_backoff_max: ClassVar[int] = 600
    #: Eight retries bridge 510 s at most, 255 s in the mean: a restart of a database, a deploy of a service.
    max_retries: int | None = 8
    #: Times that a process may die under the task (killed, out of memory, segmentation fault) and it is sent again.
    max_losses: ClassVar[int] = 3
    #: Seconds before the second run; three times as many before each further one.
    loss_pause: ClassVar[float] = 10
    #: Whether it is kept for an operator once it is given up; a group's `transient` takes that away.
    dead_letter: ClassVar[bool] = True

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Celery's hook before each run."""
        _budgets[str(self.name)].earn()
        super().before_start(task_id, args, kwargs)

    def retry(self, *args: Any, **options: Any) -> Any:
        """Retry as Celery does, after the policy's pause unless another is given, but never lose the task.

        Celery gives the task up where the retry cannot be sent: the message is rejected, and gone where nothing takes
        dead letters. Here it goes back to its queue and is run again. A task that was acknowledged early is in no queue
        any more, so it tries to send until its time limit. An error that another attempt would not cure fails the task,
        which says so.
        """
        if not self.request.called_directly:
            options |= {"headers": self.history() | options.get("headers", {}), **self._when(options)}
        while True:
            try:
                return super().retry(*args, **options)
            except Reject as refusal:
                error: Exception = refusal.args[0]  # what sending it raised
                if not isinstance(error, UNREACHABLE):
                    raise error from None
                if self.acks_late:
                    raise Reject(error, requeue=True) from error
                logger.warning("retry_not_sent", task=self.name, error=str(error), next_try=f"in {PAUSE:g} s")
            time.sleep(PAUSE)

    def pause_after_loss(self, losses: int) -> float:
        """Seconds to wait once a process died under the task for the `losses`-th time; half of them by chance."""
        longest = min(self.loss_pause * 3 ** (losses - 1), self.retry_backoff_max, self._longest_countdown())
        return random.uniform(longest / 2, longest)  # noqa: S311 - it spreads load

    def _when(self, options: dict[str, Any]) -> dict[str, Any]:
        """The countdown: the one given, else the policy's; the longest where the budget is spent."""
        if options.get("eta") is not None:
            return {}
        own: float | None = options.get("countdown")
        longest = min(self.retry_backoff_max, self._longest_countdown())
        is_polling = options.get("exc") is None and sys.exc_info()[1] is None  # as Celery's chord_unlock does
        if is_polling or _budgets[str(self.name)].spend():
            return {"countdown": self._drawn(longest) if own is None else own}
        if _budgets[str(self.name)].is_news():
            pause = f"{longest / 2:g} to {longest:g} s"
            logger.warning("retries_damped", task=self.name, pause=pause, told="once a minute")
        return {"countdown": max(own or 0, random.uniform(longest / 2, longest))}  # noqa: S311 - it spreads load

    def _drawn(self, longest: float) -> float:
        pause = min(self.retry_backoff * 2**self.request.retries, longest)
        return random.uniform(0, pause) if self.retry_jitter else pause  # noqa: S311 - it spreads load

    def _longest_countdown(self) -> float:
        return getattr(self, "longest_countdown", 3600)

    def history(self) -> dict[str, Any]:
        """The headers a retry takes along. Celery would forget ours where a tracer nested its own among them."""
        request: Any = self.request
        kept = request._filter_x_death_headers(request.headers)  # noqa: SLF001 - what Celery itself takes along
        ours = {name: request.get(name) for name in headers.ALL if request.get(name) is not None}
        return {**kept, **ours}
