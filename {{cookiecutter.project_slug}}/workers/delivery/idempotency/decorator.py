"""`@idempotent`: what is called several times is done once."""

import inspect
import json
import os
import random
import socket
from collections.abc import Callable
from datetime import timedelta
from functools import partial, wraps
from typing import Any, Final, Literal, ParamSpec, TypeVar, cast
from uuid import uuid4

import structlog
from django.db import DatabaseError
from redis.exceptions import RedisError

from workers.delivery.headers import LOSSES, count
from workers.delivery.idempotency.database import DatabaseStore
from workers.delivery.idempotency.held import Held, holding
from workers.delivery.idempotency.keys import Recipe, key_of
from workers.delivery.idempotency.redis import RedisStore
from workers.delivery.idempotency.stores import Busy, ClaimBusyError, ClaimLostError, Done, Holder, Store, Taken
from workers.delivery.postpone import can_be_postponed, postpone, running_task
from workers.delivery.retries import Retries

#: Seconds that a claim outlasts the longest run: until the pool has noticed, and killed, what ran too long.
LEASE_MARGIN: Final = 10
#: Seconds of a run where nothing bounds it: a function that is called outside a task.
UNBOUNDED_RUN: Final = 600
#: Seconds after which a task that waits looks again, at most; at the earliest half of it, so that two hundred of them
#: do not come at once.
LONGEST_PAUSE: Final = 10.0

STORES: Final[dict[str, type[Store]]] = {"database": DatabaseStore, "redis": RedisStore}

P = ParamSpec("P")
R = TypeVar("R")
logger = structlog.get_logger(__name__)


def idempotent(
    *, key: Recipe, ttl: timedelta | float, store: Literal["database", "redis"] = "database"
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function, below `@shared_task`, so that calls with one key do its work once.

    `key`: which calls are the same; a format string over the arguments ("{order_id}"), or a callable that takes them.
    `ttl`: seconds, or a timedelta, for which the end is known: a call after that does the work again.
    `store`: "database", or "redis" for what may once in a long while be done twice (see redis.py).

    A call whose work is done returns the first one's result, so that must be JSON, of at most 64 KiB. One whose work
    failed begins anew. While another holder is at it, a task waits: its message comes back some seconds later, which
    uses up no retry and no slot; a direct or eager call raises ClaimBusyError. A holder that outlives its time limit
    by LEASE_MARGIN is presumed dead, and the next one takes the claim over; a holder whose process is known to be dead
    is not waited for. What it still does then it cannot commit: see `claim().verify()` and `claim().complete()`.
    """
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else float(ttl)
    if store not in STORES:
        raise ValueError(f"store={store!r}; expected one of: {', '.join(STORES)}")
    if seconds <= 0:
        raise ValueError(f"ttl={ttl!r}; expected more than no time: seconds, or a timedelta")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        key_for = key_of(function, key)

        @wraps(function)
        def once(*args: P.args, **kwargs: P.kwargs) -> R:
            call = _Call(key_for(*args, **kwargs), STORES[store](), seconds, running_task())
            return cast("R", call.run(partial(function, *args, **kwargs)))

        # Celery checks arguments where a task is sent, and does not look through wrappers by itself.
        once.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        return once

    return decorate


class _Call:
    """One call of a decorated function."""

    def __init__(self, key: str, store: Store, ttl: float, task: Retries | None) -> None:
        self.key = key
        self.store = store
        self.ttl = ttl
        self.task = task

    def run(self, function: Callable[[], Any]) -> Any:
        """The function's result: its own, or that of the call that was first."""
        answer = self._taken()
        if isinstance(answer, Done):
            logger.info("task_done_before", key=self.key)
            return json.loads(answer.result) if answer.result else None
        if isinstance(answer, Busy):
            return self._wait(answer.seconds)
        if answer.tries > 1:
            logger.info("claim_taken_again", key=self.key, holders=answer.tries, token=answer.token)
        return self._do(function, Held(self.store, self.key, answer.token, self.ttl))

    def _taken(self) -> Taken | Done | Busy:
        try:
            return self.store.take(self.key, _holder(self.task), _lease(self.task))
        except self.store.away as error:
            # Nothing has been done yet, so this is no failure: later it may be better.
            if not can_be_postponed(self.task):
                raise
            logger.warning("claims_unreachable", key=self.key, error=str(error))
            return Busy(LONGEST_PAUSE)

    def _do(self, function: Callable[[], Any], held: Held) -> Any:
        try:
            with holding(held):
                result = function()
        except ClaimLostError:
            return self._leave()
        except BaseException:  # an end of the process, too: nothing of the function runs any more
            self._give_back(held)
            raise
        try:
            return held.finish(result)
        except ClaimLostError:
            return self._leave()

    def _give_back(self, held: Held) -> None:
        try:
            held.fail()
        except (DatabaseError, RedisError) as error:
            # It ends by itself; what the function raised matters more.
            logger.warning("claim_not_given_back", key=self.key, error=str(error))

    def _leave(self) -> Any:
        """Presumed dead, and alive: come back for what the new holder made of it, or for the work if there is none."""
        logger.warning("claim_lost", key=self.key)
        if not can_be_postponed(self.task):
            raise ClaimLostError(f"{self.key} took too long, and was taken over")
        return self._wait(LONGEST_PAUSE)

    def _wait(self, seconds: float) -> Any:
        if not can_be_postponed(self.task):
            raise ClaimBusyError(f"{self.key} is being done by somebody else, for {seconds:.0f} s at most")
        pause = min(seconds + random.random(), random.uniform(LONGEST_PAUSE / 2, LONGEST_PAUSE))  # noqa: S311
        postpone(self.task, pause, f"{self.key} is being done by somebody else")


def _holder(task: Retries | None) -> Holder:
    request = task.request if task else None
    worker = (request.hostname if request else None) or socket.gethostname()
    name = f"{worker[:150]} {os.getpid()} {uuid4().hex[:12]}"
    return Holder(name, (request.id if request else None) or "", count(request.headers if request else None, LOSSES))


def _lease(task: Retries | None) -> float:
    """Seconds after which a holder must be dead: its own time limit, or what its group promises."""
    if task is None:
        return UNBOUNDED_RUN + LEASE_MARGIN
    hard, _soft = task.request.timelimit or (None, None)
    return (hard or task.time_limit or getattr(task, "longest_run", 0) or UNBOUNDED_RUN) + LEASE_MARGIN
