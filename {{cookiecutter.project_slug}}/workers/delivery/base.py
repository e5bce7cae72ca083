"""The base class of every task."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

from celery import Celery, uuid
from celery.result import AsyncResult
from django.db import transaction

from workers.brokers.refusals import sent
from workers.delivery.deadlines import Deadlines
from workers.delivery.outbox.dispatch import dispatch, is_kept
from workers.delivery.pressure.policy import POLICIES, WhenFull, heed
from workers.delivery.redaction import shown_keywords, shown_positional
from workers.delivery.retries import Retries
from workers.derive.task_options import soft_limit

#: Seconds. RabbitMQ's native delayed delivery refuses less with a ValueError (trap 3).
SHORTEST_COUNTDOWN = 1


class CountdownTooLongError(ValueError):
    """A task was sent with a longer countdown or ETA than its group allows (`longest_countdown` in workers.yml)."""


class LimitTooHighError(ValueError):
    """A task was sent with a time limit above its group's, which stops and redeliveries are reckoned from."""


class Task(Deadlines, Retries):
    """Sends after commit, hides arguments from logs, and keeps countdowns within what the brokers bear."""

    #: Celery's name for the class of what a worker's main process knows of a task.
    Request = "workers.delivery.request:Request"
    #: Names of keyword arguments whose values may appear in logs, events and Flower; all others show as their type.
    public_arguments: ClassVar[Sequence[str]] = ()
    #: Send when the surrounding transaction commits, never if it rolls back. False: at once, whatever becomes of it.
    send_after_commit: ClassVar[bool] = True
    #: Never forget a task that was accepted: it is written to the database first, with what it belongs to, and sent
    #: after the commit, by `workers relay` where the broker is away. Costs an INSERT and a DELETE a task.
    durable: ClassVar[bool] = False
    #: What to do while the queue is full (`full_at` in workers.yml). send: send all the same. refuse: raise
    #: QueueFullError, which a view answers as 503. delay: send with a countdown. shed: do not send, and say so.
    when_full: ClassVar[WhenFull] = "send"
    #: The group that runs the task, which is its queue's name, too; set when the task is bound.
    group_name: ClassVar[str] = ""
    #: Seconds, both; the group's own values are set when the task is bound.
    longest_countdown: ClassVar[int] = 3600
    longest_run: ClassVar[int] = 0
    #: Results are business data; 0 would disable the limit, so one character remains.
    resultrepr_maxsize = 1

    @classmethod
    def on_bound(cls, app: Celery) -> None:
        """Refuse options that mean nothing, when the task is made and not when its queue is full."""
        super().on_bound(app)
        if cls.when_full not in POLICIES:
            raise ValueError(f"{cls.name}: when_full is {cls.when_full!r}; it is one of {', '.join(POLICIES)}")
        if cls.durable and not cls.send_after_commit:
            raise ValueError(f"{cls.name}: a durable task belongs to its transaction; leave send_after_commit as it is")

    def apply_async(  # type: ignore[override]  # the stubs name every option
        self, args: Any = None, kwargs: Any = None, task_id: str | None = None, **options: Any
    ) -> AsyncResult[Any]:
        """Send the task, after the commit of a surrounding transaction; takes celery.Task.apply_async's arguments.

        Raises CountdownTooLongError, LimitTooHighError, QueueFullError by `when_full`, UnroutedTaskError, or kombu's
        OperationalError where the broker cannot be reached or takes nothing. Inside a transaction the last two are
        raised by the commit, and of a durable task the last one is not raised at all.
        """
        again = options.get("retries") or (task_id is not None and task_id == self.request.id)
        if self.when_full != "send" and not again:
            task_id = task_id or uuid()
            if shed := heed(self, task_id, options):
                return shed
        self._bound_countdown(options)
        self._bound_limits(options)
        self.fix_deadline(options)
        options.setdefault("argsrepr", shown_positional(args))
        options.setdefault("kwargsrepr", shown_keywords(kwargs, self.public_arguments))
        send = partial(super().apply_async, args, kwargs, **options)
        # What runs and is sent again goes at once: the Retry that follows rolls the transaction back, and it with it.
        if again:
            return sent(send, task_id)
        if self.durable and is_kept(self.app, options):
            return dispatch(self.app, partial(send, task_id=task_id))
        if not self.send_after_commit or not transaction.get_connection().in_atomic_block:
            return sent(send, task_id)
        task_id = task_id or uuid()
        transaction.on_commit(partial(sent, send, task_id))
        return self.AsyncResult(task_id)

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
