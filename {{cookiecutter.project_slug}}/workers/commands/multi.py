"""`workers multi`: the same groups as nodes of `celery multi`, for teams that want it in place of the units."""

from collections.abc import Iterator
from pathlib import Path

import click

from workers.brokers.report import Finding, Report, Severity, Table
from workers.commands.check import verify
from workers.commands.output import refuse, stdout
from workers.commands.refusing import refusing
from workers.commands.reports import EPILOG, show
from workers.derive.multi import log_folder, pid_folder
from workers.derive.unit_names import service_unit
from workers.multi.control import Multi
from workers.multi.nodes import PROC, Node
from workers.systemd import replacing
from workers.systemd.installed import loaded_here
from workers.systemd.systemctl import Systemctl
from workers.topology import load

_names = click.argument("names", metavar="[GROUP|WORKER]...", nargs=-1)


@click.group()
@click.option("--pid-dir", type=click.Path(path_type=Path), help="Pid files; else /run/celery-multi-PROJECT.")
@click.option("--log-dir", type=click.Path(path_type=Path), help="Logs; else /var/log/celery-multi-PROJECT.")
@click.pass_context
def multi(ctx: click.Context, *, pid_dir: Path | None, log_dir: Path | None) -> None:
    """Run the groups as nodes of `celery multi`.

    One pid file and one log a worker. What its unit lacks beside one unit a group: systemd/README.md.
    """
    if not PROC.is_dir():
        refuse(["`workers multi` needs Linux: elsewhere nobody says whose a pid file's number is now"])
    topology = loaded_here().topology
    pids, logs = (Path(folder(topology.project)) for folder in (pid_folder, log_folder))
    ctx.obj = Multi(topology, pid_dir or pids, log_dir or logs, stdout.print)


@multi.command()
@_names
@click.pass_obj
def start(own: Multi, names: tuple[str, ...]) -> None:
    """Start what does not run, after `workers check`.

    Returns when each has written its pid file; whether it takes tasks, nobody tells.
    """
    with refusing():
        nodes = own.chosen(names)
        _verify(own)
        own.start(nodes)
    _say(nodes)


@multi.command()
@_names
@click.pass_obj
def stop(own: Multi, names: tuple[str, ...]) -> None:
    """Send TERM and return at once; running tasks are finished first."""
    with refusing():
        own.stop(own.chosen(names), wait=False)


@multi.command()
@_names
@click.pass_obj
def stopwait(own: Multi, names: tuple[str, ...]) -> None:
    """Stop, and return when each has finished what it had, and left."""
    with refusing():
        own.stop(own.chosen(names), wait=True)


@multi.command()
@_names
@click.pass_obj
def restart(own: Multi, names: tuple[str, ...]) -> None:
    """Stop and start again, after `workers check`: what it refuses stops nothing.

    Nodes of the unit are started by the unit, with its user, sandbox and credentials.
    """
    with refusing():
        nodes = own.chosen(names)
        _verify(own)
        own.restart(nodes)
    _say(nodes)


@multi.command(epilog=EPILOG)
@_names
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@click.pass_obj
def status(own: Multi, *, names: tuple[str, ...], as_json: bool) -> None:
    """Show which nodes run, since when. Critical: one does not."""
    with refusing():
        nodes = own.chosen(names)
        rows = [(node.name, node.state, *_process(node), str(node.log)) for node in nodes]
    table = Table("nodes", ("node", "state", "pid", "since", "log"), rows)
    show([Report(f"celery multi of {own.topology.project}", [table], list(_findings(nodes)))], as_json=as_json)


def _verify(own: Multi) -> None:
    """`workers check`, where the nodes would find things: within the unit there are secrets that no shell has."""
    if own.belongs_to_unit:
        replacing.verify(Systemctl(), service_unit(own.topology.project, "check"))
    else:
        verify(load())


def _process(node: Node) -> tuple[int | None, str | None]:
    since = node.since if node.state == "running" else None
    return node.pid, since.isoformat(" ", "seconds") if since else None


def _findings(nodes: list[Node]) -> Iterator[Finding]:
    for node in nodes:
        cure = f"look at the end of {node.log}, then: python -m workers multi start {node.name}"
        if node.state == "gone":
            yield Finding(Severity.CRITICAL, node.name, f"does not run: no such node is process {node.pid}", cure)
        if node.state == "stopped":
            yield Finding(Severity.CRITICAL, node.name, "does not run", cure)


def _say(nodes: list[Node]) -> None:
    for node in nodes:
        stdout.print(f"[bold]{node.name}[/] runs (pid {node.pid})")
