"""How the hosts of a fleet are, from the kernel's point of view: for people a table, for programs plain values."""

import os
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from rehearsal import partition
from rehearsal.fleet import Fleet
from rehearsal.host import Host
from rehearsal.inventory import CONTROLLER


@dataclass(frozen=True)
class Row:
    """One host: `state` is up, off or cut; `parted_from` holds names; `since` is when the last of these changed."""

    host: str
    address: str
    groups: tuple[str, ...]
    layers: tuple[str, ...]
    state: str
    parted_from: tuple[str, ...]
    since: datetime


def rows(fleet: Fleet) -> list[Row]:
    """Every host of the fleet, in the order of its inventory."""
    # Asked once for all hosts: each answer is a program that has to start.
    cut = fleet.network.cut()
    names = {host.address: host.name for host in fleet.hosts.values()} | {fleet.network.controller: CONTROLLER}
    parted = [(names[a], names[b]) for a, b in partition.parted(fleet.network)]
    return [_row(host, cut, sorted(b for a, b in parted if a == host.name)) for host in fleet.hosts.values()]


def _row(host: Host, cut: set[str], parted_from: list[str]) -> Row:
    state = "off" if not host.on else "cut" if host.name in cut else "up"
    since = datetime.fromtimestamp(_changed(host), UTC)
    return Row(host.name, host.address, host.groups, host.entry.layers, state, tuple(parted_from), since)


def _changed(host: Host) -> float:
    try:
        return (host.folder / "changed").stat().st_mtime
    except FileNotFoundError:  # never booted: its `up` was cut short
        return host.folder.stat().st_mtime if host.folder.exists() else time.time()


def as_values(listed: list[Row]) -> list[dict[str, object]]:
    """The rows for JSON."""
    return [asdict(row) | {"since": row.since.isoformat(timespec="seconds")} for row in listed]


def as_table(fleet: str, listed: list[Row]) -> Table:
    """The rows for a terminal."""
    table = Table(title=f"fleet {fleet}", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for title in ("host", "address", "groups", "layers", "state", "since"):
        table.add_column(title, header_style="dim", no_wrap=title in ("host", "address", "since"))
    for row in listed:
        layers = ", ".join(layer if "/" not in layer else os.path.relpath(layer) for layer in row.layers)
        table.add_row(row.host, row.address, ", ".join(row.groups), layers or "-", _state(row), _since(row.since))
    return table


def _state(row: Row) -> Text:
    colour = {"up": "green", "off": "red", "cut": "yellow"}[row.state]
    text = Text(row.state, colour)
    return text.append(f", parted from {', '.join(row.parted_from)}", "yellow") if row.parted_from else text


def _since(moment: datetime) -> str:
    """The time of day, and the date where it was not today; this machine's own time zone."""
    local = moment.astimezone()
    today = datetime.now().astimezone().date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M:%S}"
