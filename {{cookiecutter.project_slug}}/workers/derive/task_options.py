"""The options that a group gives each of its tasks."""

from typing import Any

from celery import Task

from workers.derive.queues import PERSISTENT, TRANSIENT
from workers.derive.routes import group_of
from workers.topology import Group, Topology


class GroupOptions:
    """One entry of Celery's `task_annotations`: gives a task what its group says and the task itself leaves open."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology

    def annotate(self, task: type[Task[Any, Any]]) -> dict[str, Any] | None:
        """Attributes to set on `task`; called once for each task when it is bound to the application."""
        name = group_of(self._topology, str(task.name))
        return options(self._topology.groups[name], task) if name else None

    def annotate_any(self) -> None:
        """Nothing holds for every task."""


def options(group: Group, task: type[Task[Any, Any]]) -> dict[str, Any]:
    """What `task` takes over from `group`. Its own limits stay; those above the group's are refused (W26)."""
    given: dict[str, Any] = {
        "acks_late": group.acks_late,
        "delivery_mode": TRANSIENT if group.transient else PERSISTENT,
        "longest_countdown": group.longest_countdown,
    }
    for limit in ("soft_time_limit", "time_limit"):
        given[limit] = getattr(task, limit) or getattr(group, limit)
    if given["soft_time_limit"] and given["time_limit"] and given["soft_time_limit"] >= given["time_limit"]:
        given["soft_time_limit"] = (
            None  # a task with a hard limit of its own below the group's soft one has no soft one
        )
    return given
