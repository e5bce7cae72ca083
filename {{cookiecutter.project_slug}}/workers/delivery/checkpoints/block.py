"""`with checkpoint() as point:`, around the work of a long task."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

from celery.exceptions import SoftTimeLimitExceeded

from workers.delivery.checkpoints.point import OvertakenError, Point, StopAskedError
from workers.delivery.postpone import can_be_postponed, postpone, running_task
from workers.delivery.retries import Retries

#: Seconds between two writes: what a crash costs, against a small statement.
SECONDS: Final = 5.0


@contextmanager
def checkpoint(key: str | None = None, *, seconds: float = SECONDS, items: int | None = None) -> Iterator[Point]:
    """Keep how far a task has come, so that its next run goes on there: `point.state` is what the last one saved.

    What `point.reached(state)` was told is written every so many `seconds`, and every so many `items` if they are
    given; what `point.save(state)` was told, at once. It survives redelivery, retry, loss and replay, under the task's
    id, or under `key` (up to 255 characters) where tasks with several ids are the same work.

    The end of the block removes it. An exception keeps it for the next run. When the worker stops, or the soft time
    limit strikes after some progress, the task's message is sent again and another run goes on at once. A run that was
    presumed dead and lives on is ended by OvertakenError at its next write.
    """
    task = running_task()
    name = task.name if task else ""
    point = Point(
        key or (task and task.request.id) or uuid4().hex,
        str(name),
        seconds=seconds,
        items=items,
        may_stop=can_be_postponed(task),
    )
    try:
        yield point
    except OvertakenError:
        raise
    except BaseException as error:
        point.keep()
        _go_on_later(error, point, task)
        raise
    point.remove()


def _go_on_later(error: BaseException, point: Point, task: Retries | None) -> None:
    """Send the task again where that is what `error` asks for; else return."""
    if not can_be_postponed(task):
        return
    if isinstance(error, StopAskedError):
        postpone(task, 0, "the worker stops; another one goes on")
    # Without any progress the next run would end just here, and so on for ever.
    if isinstance(error, SoftTimeLimitExceeded) and point.has_moved():
        postpone(task, 0, "out of time; the next run goes on")
