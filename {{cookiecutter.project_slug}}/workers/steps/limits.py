"""Has time limits hold in a worker that stops as they do in one that runs."""

from collections.abc import Callable
from functools import partial
from multiprocessing.connection import wait
from typing import Any, Final

from workers.steps.children import ChildrenStep

#: Seconds after which a stop looks whether a child has ended without a word, as Celery has it.
PATIENCE: Final = 0.5


class LimitsInStop(ChildrenStep):
    """Leaves the limits to the event loop's timers, which Celery goes on firing while it waits for the children.

    Billiard looks at the limits, too, once a pool is closed, and does not know what has struck: a task that cleans up
    after its soft limit was interrupted a second time, in each stop that met one or in which one came to its limit.

    Celery reads the children's results in turn then, and waits for half a second at each that has none: with eight
    children a task that was done a second before its hard limit was told as timed out, in two stops of three.
    """

    def close(self, worker: Any) -> None:
        """Called before the pool is closed."""
        pool = worker.pool._pool  # noqa: SLF001 - what waits for the children has no other name
        if pool is not None:
            results = pool._result_handler  # noqa: SLF001
            results.check_timeouts = None
            results._flush_outqueue = partial(_read, results._flush_outqueue)  # noqa: SLF001


def _read(flush: Callable[..., Any], fd: int, remove: Any, children: dict[int, Any], *more: Any) -> Any:
    """Read what the child at `fd` says, if it says something; else wait until any of them does, and return."""
    if fd in children and not wait([fd], 0):
        wait(list(children), PATIENCE)
        return None
    return flush(fd, remove, children, *more)
