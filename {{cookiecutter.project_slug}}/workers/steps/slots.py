"""Brings back to the worker what a task leaves its thread or greenlet by, other than a common exception."""

from collections.abc import Callable
from typing import Any

from billiard.einfo import ExceptionInfo
from celery import bootsteps
from celery.exceptions import WorkerLostError, WorkerShutdown, WorkerTerminate


class CatchAll(bootsteps.StartStopStep):
    """Makes a failure of what leaves Celery's tracer: sys.exit(), MemoryError.

    Prefork reports both. The other pools drop them: the worker waits for the task for ever, and one that was
    acknowledged early is lost without a word.
    """

    requires = ("celery.worker.consumer.connection:Connection",)

    def include_if(self, c: Any) -> bool:
        """Only where tasks run in the worker's own process."""
        return not c.pool.uses_semaphore  # which is prefork's alone

    def create(self, c: Any) -> None:
        """Once: the pool stays, whatever becomes of the connection."""
        apply = c.pool.on_apply
        c.pool.on_apply = lambda target, *arguments, **options: apply(_caught(target), *arguments, **options)


def _caught(target: Callable[..., Any]) -> Callable[..., Any]:
    """`target` as the tracer is called by a pool: it returns whether it failed, what came out, and the seconds."""

    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return target(*arguments, **options)
        except (WorkerShutdown, WorkerTerminate):
            raise  # the worker's own way out of the solo pool
        except SystemExit as left:  # an outcome that is one would be raised in the worker once more
            return _failed(WorkerLostError(f"the task left by {left!r}").with_traceback(left.__traceback__))
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the task
            return _failed(error)

    return run


def _failed(error: Exception) -> tuple[int, Any, float]:
    return 1, ExceptionInfo((type(error), error, error.__traceback__)), 0.0
