"""`workers show`: the topology and what follows from it, as a table or as JSON."""

import shlex
from collections.abc import Callable
from typing import Final

import click
from rich import box
from rich.table import Table
from rich.text import Text

from workers.commands.output import print_json, stdout
from workers.commands.refusing import refusing
from workers.derive.command_line import worker_command
from workers.derive.description import Derived, describe, describe_group
from workers.derive.multi import multi_arguments
from workers.topology import Group, Loaded, Topology, budgets, load
from workers.topology.instances import group_named

#: Heading -> what stands in the column of a group. Together they fit a terminal of 80 columns.
COLUMNS: Final[dict[str, Callable[[Topology, Group], str]]] = {
    "pool": lambda _, group: group.pool + ("/spawn" if group.start_method == "spawn" else ""),
    "slots": lambda topology, group: f"{budgets.workers(group)} x {budgets.slots(topology, group)}",
    "prefetch": lambda _, group: str(group.prefetch_multiplier),
    "ack": lambda _, group: "late" if group.acks_late else "early",
    "limits s": lambda _, group: f"{group.soft_time_limit or '-'}/{budgets.longest_run(group)}",
    "stop s": lambda _, group: str(budgets.stop_timeout(group)),
    "MiB": lambda topology, group: str(group.instances * budgets.memory(topology, group)),
    "p95 s": lambda _, group: f"{group.objective.wait:g}/{group.objective.run:g}",
}
LEGEND: Final = (
    "[dim]slots: workers x tasks at a time - limits: soft/hard - stop: systemd's time-out",
    "[dim]MiB: memory a host must have - p95: objective, waiting/running",
)
#: From this width on, in characters, each group's purpose stands beside its numbers.
WIDE: Final = 110


@click.command()
@click.argument("group", required=False)
@click.option("--environment", "-e", help="With the sizes of this environment instead of the current one.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON, with every derived value.")
def show(*, group: str | None, environment: str | None, as_json: bool) -> None:
    """Show the groups and what follows from them.

    With GROUP: every derived value of that one, and where it comes from.
    """
    loaded = load(environment=environment)
    if group:
        with refusing():
            group_named(loaded.topology, group)
    if as_json:
        everything = describe(loaded.topology)
        print_json(everything["groups"][group] if group else everything)
    elif group:
        _print_group(loaded, group)
    else:
        _print_all(loaded)


def _print_all(loaded: Loaded) -> None:
    topology = loaded.topology
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("group", style="bold cyan", no_wrap=True)
    for heading in COLUMNS:
        table.add_column(heading, justify="left" if heading in ("pool", "ack") else "right", no_wrap=True)
    wide = stdout.width >= WIDE
    if wide:
        table.add_column("for", style="dim")
    for name, group in topology.groups.items():
        cells = [column(topology, group) for column in COLUMNS.values()]
        table.add_row(name, *cells, *([group.about] if wide else []))
    stdout.print(f"[bold]{topology.project}[/] in [bold]{loaded.environment}[/]\n", soft_wrap=False)
    stdout.print(table, soft_wrap=False)
    for line in (*LEGEND, "", *_totals(topology)):
        stdout.print(line, soft_wrap=False)
    stdout.print("\n[dim]`workers show GROUP` says where each number comes from.[/]")


def _totals(topology: Topology) -> list[str]:
    database, broker = budgets.database_connections(topology), budgets.broker_connections(topology)
    return [
        f"database connections  {sum(database.values())} of {topology.database.max_connections}",
        f"broker connections    {sum(broker.values())} of {topology.broker.max_connections}",
        f"visibility timeout    {budgets.visibility_timeout(topology)} s (Redis)",
    ]


def _print_group(loaded: Loaded, name: str) -> None:
    group = loaded.topology.groups[name]
    stdout.print(Text.assemble((name, "bold cyan"), f"  {group.about}  ", (f"({loaded.environment})", "dim")))
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for heading in ("value", "", "from"):
        table.add_column(heading, overflow="fold")
    for derived in describe_group(loaded.topology, name):
        table.add_row(derived.name, _plain(derived), Text(derived.source, style="dim"))
    stdout.print(table, soft_wrap=False)
    multi = multi_arguments("start", loaded.topology)
    own = [argument for argument in multi if f":{name}" in argument]
    stdout.print(Text.assemble(("command       ", "bold"), "celery ", shlex.join(worker_command(name, group))))
    stdout.print(Text.assemble(("celery multi  ", "bold"), shlex.join(own)))


def _plain(derived: Derived) -> str:
    value = derived.value
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
