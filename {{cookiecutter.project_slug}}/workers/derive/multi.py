"""The same groups as nodes of one `celery multi` command."""

from pathlib import PurePath

from workers.derive.command_line import APP, worker_options
from workers.topology import Topology


def multi_arguments(verb: str, topology: Topology, *, pid_dir: PurePath, log_dir: PurePath) -> list[str]:
    """Arguments of `celery multi VERB`: one node a group, each option for its node (`--pool:batch=prefork`)."""
    arguments = [
        verb,
        *topology.groups,
        f"--app={APP}",
        "--quiet",
        f"--pidfile={pid_dir}/%n.pid",
        f"--logfile={log_dir}/%n%I.log",
    ]
    for name, group in topology.groups.items():
        arguments += [_for_node(option, name) for option in worker_options(name, group)]
    return arguments


def _for_node(option: str, node: str) -> str:
    flag, equals, value = option.partition("=")
    return f"{flag}:{node}{equals}{value}"
