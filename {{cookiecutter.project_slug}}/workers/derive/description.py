"""Every derived value with what it was derived from: what `workers show` prints."""

import shlex
from dataclasses import dataclass
from typing import Any

from workers.derive.celery_settings import group_settings
from workers.derive.command_line import worker_command
from workers.derive.local_processes import local_processes
from workers.derive.multi import multi_arguments
from workers.derive.queues import EXCHANGE, queue_type
from workers.topology import Group, Topology, budgets
from workers.topology.instances import instances


@dataclass(frozen=True)
class Derived:
    """A value, its name, and in words what it follows from."""

    name: str
    value: Any
    source: str


def describe_group(topology: Topology, name: str) -> list[Derived]:
    """What follows for the group `name`."""
    group = topology.groups[name]
    bound = "time_limit" if group.time_limit else "longest_run"
    longest = budgets.longest_run(group)
    return [
        Derived(
            "queue",
            name,
            f"the group's name; exchange {EXCHANGE} (topic); on RabbitMQ a {queue_type(group)} queue",
        ),
        Derived("tasks", group.tasks, "as written"),
        Derived(
            "workers a host",
            [f"{instance}@HOST" for instance in instances(name, group)],
            f"the group's name, instances {group.instances}",
        ),
        Derived(
            "slots a worker",
            budgets.slots(topology, group),
            f"concurrency {group.concurrency}" + _cores(topology, group),
        ),
        Derived(
            "slots",
            budgets.workers(group) * budgets.slots(topology, group),
            f"hosts {group.hosts} x instances {group.instances} x slots a worker",
        ),
        Derived(
            "reserved a worker",
            budgets.slots(topology, group) * group.prefetch_multiplier,
            f"slots x prefetch_multiplier {group.prefetch_multiplier}",
        ),
        Derived(
            "stop timeout",
            f"{budgets.stop_timeout(group)} s",
            _written_or(
                group.stop_timeout,
                f"{bound} {longest} + soft_shutdown {group.soft_shutdown} + margin {budgets.STOP_MARGIN}",
            ),
        ),
        Derived(
            "consumer timeout",
            f"{budgets.consumer_timeout(group)} s",
            _written_or(
                group.consumer_timeout,
                f"1.5 x {bound} {longest} x prefetch_multiplier {group.prefetch_multiplier}, at least "
                f"{budgets.RABBITMQ_CONSUMER_TIMEOUT} (RabbitMQ)",
            ),
        ),
        Derived("visibility timeout", f"{budgets.visibility_timeout(topology)} s", _visibility(topology)),
        Derived("memory a worker", f"{budgets.memory(topology, group)} MiB", _memory(topology, group)),
    ]


def describe(topology: Topology) -> dict[str, Any]:
    """The topology and all that follows from it, as plain data."""
    return {
        **topology.model_dump(mode="json", exclude={"groups"}),
        "visibility_timeout": budgets.visibility_timeout(topology),
        "database_connections": budgets.database_connections(topology),
        "broker_connections": budgets.broker_connections(topology),
        "groups": {name: _group(topology, name) for name in topology.groups},
        "multi": multi_arguments("start", topology),
        "local_processes": {process.name: shlex.join(process.command) for process in local_processes(topology)},
    }


def _group(topology: Topology, name: str) -> dict[str, Any]:
    group = topology.groups[name]
    return {
        **group.model_dump(mode="json"),
        "workers": instances(name, group),
        "stop_timeout": budgets.stop_timeout(group),
        "consumer_timeout": budgets.consumer_timeout(group),
        "slots": budgets.slots(topology, group),
        "memory": budgets.memory(topology, group),
        "queue_type": queue_type(group),
        "settings": group_settings(group),
        "command": ["celery", *worker_command(name, group)],
    }


def _written_or(written: int | None, reckoned: str) -> str:
    return "written in workers.yml" if written else reckoned


def _cores(topology: Topology, group: Group) -> str:
    return (
        f": host.cpus {topology.host.cpus}, or fewer if the cgroup allows fewer" if group.concurrency == "auto" else ""
    )


def _visibility(topology: Topology) -> str:
    name, held = budgets.longest_unacknowledged(topology)
    reckoned = f"1.25 x {held} s, the longest that {name} holds a message (Redis, all groups)"
    return _written_or(topology.broker.visibility_timeout, reckoned)


def _memory(topology: Topology, group: Group) -> str:
    each = group.max_memory_per_child or budgets.SHARED_SLOT_MEMORY
    return f"{budgets.slots(topology, group)} slots x {each} + main process {budgets.PARENT_MEMORY}"
