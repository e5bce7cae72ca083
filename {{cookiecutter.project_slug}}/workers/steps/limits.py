"""Has a soft time limit strike once, also in a worker that stops."""

from typing import Any

from workers.steps.children import ChildrenStep


class LimitsOnce(ChildrenStep):
    """Leaves the limits to the event loop's timers, which Celery goes on firing while it waits for the children.

    Billiard looks at the limits, too, once a pool is closed, and does not know what has struck: a task that cleans up
    after its soft limit was interrupted a second time, in each stop that met one or in which one came to its limit.
    """

    def close(self, worker: Any) -> None:
        """Called before the pool is closed."""
        pool = worker.pool._pool  # noqa: SLF001 - what waits for the children has no other name
        if pool is not None:
            pool._result_handler.check_timeouts = None  # noqa: SLF001
