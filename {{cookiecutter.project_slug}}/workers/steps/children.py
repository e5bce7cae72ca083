"""What steps of workers have in common whose tasks run in children."""

from typing import Any

from celery import bootsteps


class ChildrenStep(bootsteps.StartStopStep):
    """Left out where tasks run in the worker's own process."""

    def include_if(self, worker: Any) -> bool:
        """Prefork has an event loop and a pool of children behind its own."""
        return bool(worker.use_eventloop) and hasattr(worker.pool_cls, "Pool")
