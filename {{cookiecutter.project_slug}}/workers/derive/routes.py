"""Which queue a task goes to, and the refusal of a task that has none."""

from typing import Any, Final, NoReturn

from workers.topology import Topology
from workers.topology.tasks import claimants

#: What Celery itself sends (result clean-up, chord helpers) goes with whoever claims this name.
CELERYS_OWN: Final = "celery.backend_cleanup"


class UnroutedTaskError(LookupError):
    """A task was sent that no group of workers.yml claims; it would have waited in a queue for ever."""


def group_of(topology: Topology, task: str) -> str | None:
    """The name of the group that claims `task`, or None."""
    return next(iter(claimants(topology, task)), None)


def routes(topology: Topology) -> list[Any]:
    """Celery's `task_routes`: the patterns in the order of the file, then the refusal of all else."""
    patterns = {pattern: {"queue": name} for name, group in topology.groups.items() for pattern in group.tasks}
    return [patterns, refuse]


def default_queue(topology: Topology) -> str:
    """The queue of Celery's own tasks; nothing of the project is ever sent there by default."""
    return group_of(topology, CELERYS_OWN) or next(iter(topology.groups))


def refuse(name: str, *_: object, **__: object) -> NoReturn:
    """A router that raises: the caller learns at once that nobody would run its task."""
    raise UnroutedTaskError(
        f"no worker group claims the task {name!r}: correct the name, or add it to a group's `tasks` in workers.yml"
    )
