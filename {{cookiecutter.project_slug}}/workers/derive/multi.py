"""The same workers as nodes of one `celery multi` command."""

from pathlib import PurePath

from workers.derive.command_line import APP, worker_options
from workers.topology import Group, Topology
from workers.topology.instances import instances


def multi_arguments(verb: str, topology: Topology, *, pid_dir: PurePath, log_dir: PurePath) -> list[str]:
    """Arguments of `celery multi VERB`: one node a worker, each option for its node (`--pool:batch=prefork`)."""
    arguments = [
        verb,
        *(instance for name, group in topology.groups.items() for instance in instances(name, group)),
        f"--app={APP}",
        "--quiet",
        f"--pidfile={pid_dir}/%n.pid",
        f"--logfile={log_dir}/%n%I.log",
    ]
    for name, group in topology.groups.items():
        arguments += [_for_node(option, _nodes(name, group)) for option in worker_options(name, group)]
    return arguments


def _nodes(name: str, group: Group) -> str:
    """As `celery multi` wants several of them."""
    return ",".join(instances(name, group))


def _for_node(option: str, node: str) -> str:
    flag, equals, value = option.partition("=")
    return f"{flag}:{node}{equals}{value}"
