"""The names of a group's workers on a host: the group's own, or numbered where there are several.

The name is the instance of the unit and what stands before the @ in the node name. A group's name holds no dash.
"""

from typing import Final

from workers.topology.model import Group

#: Of the worker that stands in while another one of its group is replaced.
SPARE: Final = "spare"


def instances(name: str, group: Group) -> list[str]:
    """The workers of the group `name` on each of its hosts: batch, or batch-1, batch-2."""
    return [name] if group.instances == 1 else [f"{name}-{number}" for number in range(1, group.instances + 1)]


def spare(name: str) -> str:
    """The one that stands in while one of the group's workers is replaced: batch-spare."""
    return f"{name}-{SPARE}"


def group_of(instance: str) -> str:
    """The group that a worker belongs to: batch for batch-2 and for batch@host, too."""
    return instance.partition("@")[0].partition("-")[0]
