"""The rules that need the project's tasks: every task belongs to exactly one group."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final, Protocol

from workers.topology.budgets import longest_run
from workers.topology.model import Group, Topology
from workers.topology.problems import Problem

#: What the names of the tasks begin with that Celery registers itself.
CELERYS_OWN: Final = "celery."


class Limited(Protocol):
    """What these rules read of a task."""

    @property
    def soft_time_limit(self) -> float | None:
        """Seconds, or None."""

    @property
    def time_limit(self) -> float | None:
        """Seconds, or None."""


def check_tasks(topology: Topology, tasks: Mapping[str, Limited]) -> Iterator[Problem]:
    """Every disagreement between the groups' patterns and `tasks`, registered tasks by name."""
    claims = {name: claimants(topology, name) for name in sorted(tasks)}
    for name, groups in claims.items():
        yield from _claimed_once(topology, name, groups)
        for group in groups[:1]:
            yield from _within_limits(name, tasks[name], group, topology.groups[group])
    yield from _patterns_used(topology, list(tasks))


def claimants(topology: Topology, task: str) -> list[str]:
    """The names of the groups whose patterns match `task`, in the order of the file; one, where all is well."""
    return [
        name for name, group in topology.groups.items() if any(fnmatchcase(task, pattern) for pattern in group.tasks)
    ]


def _claimed_once(topology: Topology, task: str, groups: list[str]) -> Iterator[Problem]:
    if len(groups) > 1:
        message = f"the task {task} is claimed by {' and '.join(groups)}; narrow the pattern of all but one"
        yield Problem("W23", ("groups", groups[1], "tasks"), message)
    if not groups:
        message = (
            f"no group claims the task {task}; add it, or the pattern {_package(task)}.*, to the `tasks` of one of: "
        )
        yield Problem("W25", ("groups",), message + ", ".join(topology.groups))


def _within_limits(task: str, limited: Limited, name: str, group: Group) -> Iterator[Problem]:
    for limit in ("soft_time_limit", "time_limit"):
        own = getattr(limited, limit, None)
        if own and longest_run(group) and own > longest_run(group):
            message = (
                f"the task {task} sets {limit} {own} and its group {name} allows {longest_run(group)}: stops and "
                f"redeliveries are reckoned from the group's; lower the task's, or move it to a group for longer tasks"
            )
            yield Problem("W26", ("groups", name, "time_limit"), message)


def _patterns_used(topology: Topology, tasks: list[str]) -> Iterator[Problem]:
    for name, group in topology.groups.items():
        for index, pattern in enumerate(group.tasks):
            if not any(fnmatchcase(task, pattern) for task in tasks):
                close = get_close_matches(pattern, tasks, n=1, cutoff=0.6)
                hint = f"did you mean {close[0]}?" if close else "correct it or remove it"
                yield Problem("W24", ("groups", name, "tasks", index), f"no task matches {pattern}; {hint}")


def _package(task: str) -> str:
    return task.rpartition(".")[0] or task
