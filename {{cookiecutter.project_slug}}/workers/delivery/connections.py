"""Database connections around each task, as Django handles them around each request."""

from typing import Any, Final

from celery import Task, signals
from django.db import close_old_connections

#: For CELERY_DB_REUSE_MAX: tasks between two closes by Celery's own fixup, which knows neither age nor health. Never.
NEVER: Final = 2**62


def connect() -> None:
    """Let Django look after the connections of the thread, greenlet or child that runs a task.

    A kept one is tested before its next use, so a restart of the database costs no task. One of a pool goes back to
    it: each greenlet takes its own, and else a gevent worker's pool is empty after as many tasks as it has slots.
    """
    signals.task_prerun.connect(_close_old)
    signals.task_postrun.connect(_close_old)


def _close_old(sender: Task[Any, Any], **_: object) -> None:
    if not sender.request.is_eager:  # an eager task runs in its caller's transaction, on its caller's connection
        close_old_connections()
