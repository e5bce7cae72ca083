"""The rules that need the machine: what the topology says of a host holds for this one."""

from collections.abc import Iterator

from workers.topology.budgets import memory
from workers.topology.model import Topology
from workers.topology.problems import Problem
from workers.topology.rules import LOCAL_ENVIRONMENTS


def check_host(topology: Topology, environment: str, machine_memory: int) -> Iterator[Problem]:
    """Where this machine, of `machine_memory` MiB, has less than the topology reckons with."""
    if environment not in LOCAL_ENVIRONMENTS:
        if topology.host.memory > machine_memory:
            message = (
                f"{topology.host.memory} > {machine_memory} of this machine; lower it in this environment's sizes.yml"
            )
            yield Problem("W14", ("host", "memory"), message)
        return
    needed = {name: group.instances * memory(topology, group) for name, group in topology.groups.items()}
    if sum(needed.values()) > machine_memory:
        parts = " + ".join(f"{name} {amount}" for name, amount in needed.items())
        message = (
            f"all groups run on this machine: {parts} = {sum(needed.values())} MiB > {machine_memory} MiB; "
            f"lower concurrency or max_memory_per_child in environments/{environment}/sizes.yml"
        )
        yield Problem("W14", ("groups",), message)
