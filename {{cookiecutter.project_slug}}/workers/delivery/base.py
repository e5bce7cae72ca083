"""The base class of every task."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

import structlog
from amqp.exceptions import AMQPError, MessageNacked
from celery import uuid
from celery.contrib.django.task import DjangoTask
from celery.exceptions import Reject
from celery.result import AsyncResult
from django.db import transaction
from kombu.exceptions import OperationalError

from workers.derive.task_options import soft_limit

#: Seconds. RabbitMQ's native delayed delivery refuses less with a ValueError (trap 3).
SHORTEST_COUNTDOWN = 1
#: What a publish raises where the broker is at fault, and may be better later.
UNREACHABLE = (OperationalError, AMQPError, MessageNacked, OSError)
#: Seconds between attempts to send a retry, each of which tries every node for some seconds.
PAUSE = 1.0

logger = structlog.get_logger(__name__)


class CountdownTooLongError(ValueError):
    """A task was sent with a longer countdown or ETA than its group allows (`longest_countdown` in workers.yml)."""


class LimitTooHighError(ValueError):
    """A task was sent with a time limit above its group's, which stops and redeliveries are reckoned from."""


class Task(DjangoTask[Any, Any]):
    """Sends after commit, hides arguments from logs, and keeps countdowns within what the brokers bear."""

    #: Names of keyword arguments whose values may appear in logs, events and Flower; all others show as their type.
    public_arguments: ClassVar[Sequence[str]] = ()
    #: Send when the surrounding transaction commits, never if it rolls back. False: at once, whatever becomes of it.
    send_after_commit: ClassVar[bool] = True
    #: Seconds, both; the group's own values are set when the task is bound.
    longest_countdown: ClassVar[int] = 3600
    longest_run: ClassVar[int] = 0
    #: Results are business data; 0 would disable the limit, so one character remains.
    resultrepr_maxsize = 1

    def apply_async(  # type: ignore[override]  # the stubs name every option
        self, args: Any = None, kwargs: Any = None, task_id: str | None = None, **options: Any
    ) -> AsyncResult[Any]:
        """Send the task, after the commit of a surrounding transaction; takes celery.Task.apply_async's arguments.

        Raises CountdownTooLongError, LimitTooHighError, UnroutedTaskError, or kombu's OperationalError where the broker
        cannot be reached. Inside a transaction the last two are raised by the commit.
        """
        self._bound_countdown(options)
        self._bound_limits(options)
        options.setdefault("argsrepr", _shown_positional(args))
        options.setdefault("kwargsrepr", _shown_keywords(kwargs, self.public_arguments))
        send = partial(super().apply_async, args, kwargs, **options)
        # A retry is sent at once: the Retry it raises rolls the transaction back, and the message would go with it.
        if not self.send_after_commit or options.get("retries") or not transaction.get_connection().in_atomic_block:
            return send(task_id=task_id)
        task_id = task_id or uuid()
        transaction.on_commit(partial(send, task_id=task_id))
        return self.AsyncResult(task_id)

    def retry(self, *args: Any, **options: Any) -> Any:
        """Retry as Celery does, but never lose the task where the retry cannot be sent.

        Celery gives the task up then: the message is rejected, and gone where nothing takes dead letters. Here it goes
        back to its queue and is run again. A task that was acknowledged early is in no queue any more, so it tries to
        send until its time limit. An error that another attempt would not cure fails the task, which says so.
        """
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

    def _bound_limits(self, options: dict[str, Any]) -> None:
        soft, hard = (options.get(limit) or getattr(self, limit) for limit in ("soft_time_limit", "time_limit"))
        if self.longest_run and (hard or 0) > self.longest_run:
            raise LimitTooHighError(
                f"{self.name} was sent with time_limit {hard}; its group allows {self.longest_run}: "
                "lower it, or raise time_limit in workers.yml"
            )
        options["soft_time_limit"] = soft_limit(soft, hard)

    def _bound_countdown(self, options: dict[str, Any]) -> None:
        wait = _wait(options)
        if wait is None:
            return
        if wait > self.longest_countdown:
            raise CountdownTooLongError(
                f"{self.name} was sent with a countdown of {wait:.0f} s; its group allows {self.longest_countdown} s: "
                "raise longest_countdown in workers.yml, or let a periodic task send it"
            )
        if wait < SHORTEST_COUNTDOWN:
            options.pop("eta", None)
            options["countdown"] = SHORTEST_COUNTDOWN if wait > 0 else None


def _wait(options: Mapping[str, Any]) -> float | None:
    """Seconds until the task may start, from its `countdown` or `eta`; None where it may at once."""
    if options.get("countdown") is not None:
        return float(options["countdown"])
    eta = options.get("eta")
    if eta is None:
        return None
    moment = datetime.fromisoformat(eta) if isinstance(eta, str) else eta
    return (moment - datetime.now(moment.tzinfo and UTC)).total_seconds()


def _shown_positional(args: Sequence[Any] | None) -> str:
    return f"({', '.join(_kind(value) for value in args or ())})"


def _shown_keywords(kwargs: Mapping[str, Any] | None, public: Sequence[str]) -> str:
    shown = (
        f"{name}={value!r}" if name in public else f"{name}={_kind(value)}" for name, value in (kwargs or {}).items()
    )
    return f"{{{', '.join(shown)}}}"


def _kind(value: Any) -> str:
    return f"<{type(value).__name__}>"
