"""The names of a group's workers on a host: the group's own, or numbered where there are several.

The name is the instance of the unit and what stands before the @ in the node name. A group's name holds no dash.
"""

from typing import Final

from workers.topology.model import Group, Topology

#: Of the worker that stands in while another one of its group is replaced.
SPARE: Final = "spare"


class UnknownWorkerError(Exception):
    """No group and no worker of workers.yml has that name."""


def instances(name: str, group: Group) -> list[str]:
    """The workers of the group `name` on each of its hosts: batch, or batch-1, batch-2."""
    return [name] if group.instances == 1 else [f"{name}-{number}" for number in range(1, group.instances + 1)]


def spare(name: str) -> str:
    """The one that stands in while one of the group's workers is replaced: batch-spare."""
    return f"{name}-{SPARE}"


def group_of(instance: str) -> str:
    """The group that a worker belongs to: batch for batch-2 and for batch@host, too."""
    return instance.partition("@")[0].partition("-")[0]


def group_named(topology: Topology, name: str) -> Group:
    """The group of that name. Raises UnknownWorkerError, with the groups there are."""
    if name not in topology.groups:
        raise UnknownWorkerError(f"workers.yml has no group {name!r}; its groups: {', '.join(topology.groups)}")
    return topology.groups[name]


def worker_named(topology: Topology, name: str) -> str:
    """`name`, which is a worker or the spare of a group. Raises UnknownWorkerError, with the workers there are."""
    group = group_of(name)
    workers = [*instances(group, group_named(topology, group)), spare(group)]
    if name not in workers:
        raise UnknownWorkerError(
            f"{group} has no worker {name!r} (`instances`, workers.yml); its workers: {', '.join(workers)}"
        )
    return name


def workers_named(topology: Topology, name: str) -> list[str]:
    """`batch`: all workers of that group; `batch-2`: that one. Raises UnknownWorkerError."""
    if name == group_of(name):
        return instances(name, group_named(topology, name))
    return [worker_named(topology, name)]
