"""Included in a worker, tells it to stop right after it has handed its first task to a child, whose word it has not read.

The main loop looks whether it is to stop before it reads: no sooner or later moment has it miss just that.
"""

from typing import Any

from billiard import pool
from celery.worker import state

_pool: Any = pool
_worker: Any = state


class _Handing:
    """Takes the place of the attribute that says which child has a job."""

    def __get__(self, job: Any, _kind: type | None = None) -> Any:
        return job and job.__dict__.get("handed_to")

    def __set__(self, job: Any, child: Any) -> None:
        job.__dict__["handed_to"] = child
        _worker.should_stop = 0


_pool.ApplyResult._write_to = _Handing()
