"""Has a worker that stops wait for tasks that it has just handed to a child."""

from typing import Any

from workers.steps.children import ChildrenStep


class WaitForHandedOver(ChildrenStep):
    """Takes a task for accepted as soon as its child has it.

    Celery forgets, at a stop, what no child has acknowledged yet: the broker gives it to somebody else. A child that
    got its task in the last milliseconds has begun it, and the main process has only not read so: the task was done
    twice (once in 60 restarts at five tasks a second). Once it is not forgotten, the stop reads what the child says.
    """

    def close(self, worker: Any) -> None:
        """Called before the consumer has the pool forget."""
        jobs = getattr(worker.pool._pool, "_cache", {})  # noqa: SLF001 - the pool's jobs have no other name
        for job in tuple(jobs.values()):
            if job._write_to and not job._accepted:  # noqa: SLF001
                job._accepted = True  # noqa: SLF001
