"""The options that a group gives each of its tasks."""

from typing import Any, Final

from celery import Task

from workers.derive.queues import PERSISTENT, TRANSIENT
from workers.derive.routes import group_of
from workers.topology import Group, Topology
from workers.topology.budgets import longest_run

#: The part of a hard limit after which a task is asked to end, where its soft limit leaves it no time to.
SOFT_SHARE: Final = 0.9


class GroupOptions:
    """One entry of Celery's `task_annotations`: gives a task what its group says and the task itself leaves open."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology

    def annotate(self, task: type[Task[Any, Any]]) -> dict[str, Any] | None:
        """Attributes to set on `task`; called once for each task when it is bound to the application."""
        name = group_of(self._topology, str(task.name))
        return {"group_name": name, **options(self._topology.groups[name], task)} if name else None

    def annotate_any(self) -> None:
        """Nothing holds for every task."""


def soft_limit(soft: float | None, hard: float | None) -> float | None:
    """The soft limit to go with `hard`: `soft` where it is lower, else a share of `hard`.

    The pool starts the hard limit's clock when the soft one strikes (celery/concurrency/asynpool.py), so a hard limit
    below the soft one never strikes. Nor may the soft one be left out: the worker's own would take its place.
    """
    return hard * SOFT_SHARE if soft and hard and soft >= hard else soft


def options(group: Group, task: type[Task[Any, Any]]) -> dict[str, Any]:
    """What `task` takes over from `group`. Its own limits stay; those above the group's are refused (W26)."""
    given: dict[str, Any] = {
        "acks_late": group.acks_late,
        "delivery_mode": TRANSIENT if group.transient else PERSISTENT,
        "dead_letter": getattr(task, "dead_letter", True) and not group.transient,
        "longest_countdown": group.longest_countdown,
        "longest_run": longest_run(group),
    }
    for limit in ("soft_time_limit", "time_limit"):
        given[limit] = getattr(task, limit) or getattr(group, limit)
    given["soft_time_limit"] = soft_limit(given["soft_time_limit"], given["time_limit"])
    return given
