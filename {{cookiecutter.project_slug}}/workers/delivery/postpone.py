"""Giving a running task back, to be run later: not because it failed, but because its time has not come."""

import time
from typing import Any, Final, NoReturn, TypeGuard

import structlog
from celery._state import get_current_task
from celery.exceptions import Reject, Retry

from workers.delivery.retries import PAUSE, UNREACHABLE, Retries

logger = structlog.get_logger(__name__)

#: The reason is part of a log line, and of the state that a page may show.
_LONGEST_REASON: Final = 200


def running_task() -> Retries | None:
    """The task of this project whose function runs in this thread or greenlet."""
    task: object = get_current_task()
    return task if isinstance(task, Retries) else None


def can_be_postponed(task: Retries | None) -> TypeGuard[Retries]:
    """Whether `task` runs in a worker: one that was called directly, or is eager, has no message to send again."""
    return task is not None and not (task.request.called_directly or task.request.is_eager)


def postpone(task: Retries, seconds: float, reason: str) -> NoReturn:
    """Send the running task's message again, due in so many seconds, and leave this run by raising Retry.

    It keeps its id, its deadline and its tries: unlike `Task.retry` this uses none up, and damps nothing.
    Where the broker cannot be reached, the message goes back to its queue at once (by Reject); one that was
    acknowledged early is in no queue any more, so it is sent until that works or the task's time limit strikes.
    """
    message = task.signature_from_request(countdown=seconds, headers=task.history())
    while not _sent(task, message):
        time.sleep(PAUSE)
    raise Retry(reason[:_LONGEST_REASON], when=seconds)  # type: ignore[arg-type]  # a number, says the stub


def _sent(task: Retries, message: Any) -> bool:
    try:
        message.apply_async()
    except UNREACHABLE as error:
        if task.acks_late:
            raise Reject(error, requeue=True) from error
        logger.warning("task_not_postponed", task=task.name, error=str(error), next_try=f"in {PAUSE:g} s")
        return False
    return True
