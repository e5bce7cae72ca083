"""The same workers as nodes of one `celery multi` command, and of one unit."""

from collections.abc import Collection
from pathlib import PurePath

from workers.derive.command_line import APP, worker_options
from workers.derive.unit_names import worker_unit
from workers.topology import Topology
from workers.topology.budgets import stop_timeout
from workers.topology.instances import instances

#: Moved away each day: a node opens the new file by itself, at its next line.
LOGROTATE = """\
{logs}/*.log {{
    su {project} {project}
    daily
    rotate 14
    maxsize 100M
    missingok
    notifempty
    create
    compress
    delaycompress
}}
"""


def multi_arguments(
    verb: str,
    topology: Topology,
    *,
    pid_dir: PurePath | None = None,
    log_dir: PurePath | None = None,
    only: Collection[str] | None = None,
) -> list[str]:
    """Arguments of `celery multi VERB`: one node a worker, each option for its node (`--pool:batch=prefork`).

    With `only`, those workers alone. Folders that are not given are those of the unit.
    """
    chosen = {name: _chosen(nodes, only) for name, nodes in nodes_of(topology).items()}
    arguments = [
        verb,
        *(node for nodes in chosen.values() for node in nodes),
        f"--app={APP}",
        "--quiet",
        f"--pidfile={pid_dir or pid_folder(topology.project)}/%n.pid",
        f"--logfile={log_dir or log_folder(topology.project)}/%n.log",
    ]
    for name, nodes in chosen.items():
        options = worker_options(name, topology.groups[name]) if nodes else ()
        arguments += [_for_nodes(option, nodes) for option in options]
    return arguments


def nodes_of(topology: Topology) -> dict[str, list[str]]:
    """The workers of each group on this host."""
    return {name: instances(name, group) for name, group in topology.groups.items()}


def pid_folder(project: str) -> PurePath:
    """Where each node has its pid file: the unit's RuntimeDirectory."""
    return PurePath(f"/run/celery-multi-{project}")


def log_folder(project: str) -> PurePath:
    """Where each node has its log: the unit's LogsDirectory."""
    return PurePath(f"/var/log/celery-multi-{project}")


def drop_in(topology: Topology) -> str:
    """What the unit must know of workers.yml.

    It stops all groups at once, so the slowest one decides. Beside the workers' units it would run every node name a
    second time: starting it drains those first, and the other way round.
    """
    rivals = " ".join(worker_unit(topology.project, node) for node in _workers(topology))
    lines = [
        "[Unit]",
        f"Conflicts={rivals}",
        f"After={rivals}",
        "",
        "[Service]",
        f"TimeoutStopSec={max(map(stop_timeout, topology.groups.values()))}",
        "# Each of its commands would be in a user namespace of its own, and see no node that another has started.",
        "PrivateUsers=no",
    ]
    if any(group.start_method == "spawn" for group in topology.groups.values()):
        lines.append("MemoryDenyWriteExecute=no")
    return "\n".join([*lines, ""])


def logrotate(project: str) -> str:
    """The configuration that rotates the logs of the nodes."""
    return LOGROTATE.format(project=project, logs=log_folder(project))


def _workers(topology: Topology) -> list[str]:
    return [node for nodes in nodes_of(topology).values() for node in nodes]


def _chosen(nodes: list[str], only: Collection[str] | None) -> list[str]:
    return nodes if only is None else [node for node in nodes if node in only]


def _for_nodes(option: str, nodes: list[str]) -> str:
    """As `celery multi` wants it for several of them: `--queues:batch-1,batch-2=batch`."""
    flag, equals, value = option.partition("=")
    return f"{flag}:{','.join(nodes)}{equals}{value}"
