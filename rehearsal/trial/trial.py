"""What is done to the hosts, one after the other, and the report of it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rehearsal.errors import RehearsalError
from rehearsal.fleet import Fleet
from rehearsal.host import Host
from rehearsal.inventory import Inventory
from rehearsal.requirements import require
from rehearsal.steps import Steps
from rehearsal.trial import visitors
from rehearsal.trial.clone import Clone
from rehearsal.trial.outside import standing_in
from rehearsal.trial.plays import Plays

#: What hosts are made of: Debian's packages lie there, and are not installed.
LAYERS: Final = ("packages",)
#: The fleet's name.
FLEET: Final = "rehearse"
#: Whose hosts are lost first, if nobody names one: what is worth knowing most.
LOST_FIRST: Final = ("rabbitmq", "redis", "workers_")
#: Groups whose work another host of the group takes over; a database waits for a person.
SHARED: Final = ("rabbitmq", "redis", "web", "beat", "workers_")
#: Groups whose work may wait until their only host is back.
PATIENT: Final = ("beat", "workers_")
#: Seconds without such a host: several times what brokers need to have others lead.
OUTAGE: Final = 20


@dataclass
class Row:
    """One step: how long it took, what visitors met meanwhile, and what was found."""

    step: str
    seconds: float = 0
    visitors: str = ""
    found: str = ""
    details: str = ""
    good: bool = True


@dataclass
class Trial:
    """The rehearsal of one environment."""

    clone: Clone
    fleet: Fleet
    plays: Plays
    steps: Steps
    rows: list[Row] = field(default_factory=list)

    def run(self, lost: str | None) -> None:
        """Everything in turn; ends at the first step that fails, which the rows then tell."""
        host = self.fleet[lost] if lost else victim(self.fleet.hosts.values())
        acts: list[tuple[str, Callable[[Row], None]]] = [
            ("roll out", self._roll_out),
            ("deploy", self._deploy),
            (f"lose {host.name if host else 'a host'}", partial(self._lose, host)),
            ("roll back", self._roll_back),
        ]
        for step, act in acts:
            self.rows.append(row := Row(step))
            if not self._done(row, act):
                break

    def _done(self, row: Row, act: Callable[[Row], None]) -> bool:
        """Whether it came to its end; a request that failed meanwhile is no reason to leave out the rest."""
        began, ended = time.monotonic(), True
        try:
            with self.steps(row.step):
                act(row)
        except RehearsalError as error:
            row.good, row.found, row.details, ended = False, "failed", str(error), False
        self.steps.tell("")
        row.seconds = row.seconds or time.monotonic() - began
        return ended

    def _roll_out(self, row: Row) -> None:
        """From bare hosts to an order through every group."""
        self.plays.run("site")
        self.plays.verify()
        self.plays.run("smoke")
        row.found = f"{len(self.fleet.hosts)} hosts have what the roles promise; the smoke test passed"

    def _deploy(self, row: Row) -> None:
        """Another release, host after host."""
        self.clone.commit("Another release")
        self.clone.build()
        with self._visited(row):
            row.seconds = self.plays.run("deploy")
        self.plays.run("smoke")
        row.found = row.found or "the smoke test passed"

    def _lose(self, host: Host | None, row: Row) -> None:
        """One host's power is gone; then it comes back."""
        if host is None:
            row.found = "left out: none can be spared, each has the database, or is the only one of web"
            return
        waits = alone(host, self.fleet.hosts.values())
        with self._visited(row, host):
            host.power_off()
            if waits:
                time.sleep(OUTAGE)
            else:
                self.plays.run("smoke")
            host.boot()
            self.plays.run("smoke")
        meanwhile = f"until then nobody did the work of {', '.join(waits)}" if waits else "and without it"
        row.found = row.found or f"the smoke test passed when it was back, {meanwhile}"

    def _roll_back(self, row: Row) -> None:
        """To the release before."""
        with self._visited(row):
            row.seconds = self.plays.run("rollback")
        self.plays.run("smoke")
        row.found = row.found or "the smoke test passed"

    @contextmanager
    def _visited(self, row: Row, lost: Host | None = None) -> Iterator[None]:
        """People look at the site at every web host but the one that is lost; a request that fails is a finding."""
        addresses = [host.address for host in self.fleet.hosts.values() if "web" in host.groups and host != lost]
        domain = str(self.clone.variables()["project_domain"])
        authority = self.clone.logs / "authority.pem"
        command = self.fleet.command(sys.executable, visitors.__file__, domain, str(authority), *addresses)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield
                printed, _ = process.communicate(timeout=60)
            finally:
                process.kill()
        seen: dict[str, Any] = json.loads(printed.partition("\n")[2])  # after "came"
        row.visitors = f"{seen['requests']:,} requests, {seen['failed']} failed, the longest {seen['longest']:.1f} s"
        if seen["failed"]:
            row.good, row.found, row.details = False, "requests failed", "\n".join(seen["words"])


def bare(inventory: Path) -> Inventory:
    """Its hosts, with nothing on them but what a fresh machine has."""
    return Inventory(tuple(replace(host, layers=LAYERS) for host in Inventory.read(inventory).hosts))


def victim(hosts: Collection[Host]) -> Host | None:
    """The last host whose loss nobody may notice; or, where each is the only one of a group, whose work can wait."""
    for patient in ((), PATIENT):
        for first in LOST_FIRST:
            for host in reversed(list(hosts)):
                needed = [group for group in alone(host, hosts) if not group.startswith(patient)]
                if any(group.startswith(first) for group in host.groups) and not needed:
                    return host
    return None


def alone(host: Host, hosts: Collection[Host]) -> list[str]:
    """The groups whose work nobody does without this host."""
    shared = [group for group in host.groups if group.startswith(SHARED)]
    only = [group for group in shared if sum(group in other.groups for other in hosts) == 1]
    return [*only, *(group for group in host.groups if group == "postgresql")]


def rehearse(root: Path, environment: str, lost: str | None, console: Console, *, keep: bool) -> bool:
    """Rehearse an environment of the project at `root`, print the report; whether everything was as it should be."""
    require()
    clone = Clone.make(root, environment)
    fleet = Fleet(FLEET, bare(clone.folder / "inventory.yml"))
    with Steps(console) as steps:
        trial = Trial(clone, fleet, Plays(fleet, clone, steps.tell), steps)
        try:
            _run(trial, lost)
        finally:
            if not keep:
                fleet.down(steps)
                clone.give_back()
    console.print()
    console.print(_report(environment, trial.rows))
    for row in trial.rows:
        if row.details:
            console.print(Text(f"\n{row.step}: {row.details}"), soft_wrap=True)
    if keep:
        console.print(f"The hosts are still there: python -m rehearsal ls --fleet {FLEET}; down --fleet {FLEET}")
    return all(row.good for row in trial.rows)


def _run(trial: Trial, lost: str | None) -> None:
    trial.fleet.down(trial.steps)  # what a rehearsal that was killed has left
    with trial.steps("the release, built"):
        trial.clone.build()
    trial.fleet.up(trial.steps)
    with trial.steps("secrets, a mail server and a payment provider of this rehearsal's own"):
        secrets = trial.clone.make_secrets()
    authority: Mapping[str, str] = secrets["authority"]
    (trial.clone.logs / "authority.pem").write_text(authority["certificate"], encoding="ascii")
    with standing_in(trial.fleet, trial.clone.root, authority) as outside:
        trial.plays.prepare(outside)
        trial.run(lost)


def _report(environment: str, rows: list[Row]) -> Table:
    table = Table(
        title=f"Rehearsal of {environment}", title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    table.add_column("")
    table.add_column("step", header_style="dim")
    table.add_column("seconds", header_style="dim", justify="right")
    table.add_column("visitors meanwhile", header_style="dim")
    table.add_column("found", header_style="dim")
    for row in rows:
        sign = "[green]✓[/]" if row.good else "[red]✗[/]"
        table.add_row(sign, row.step, f"{row.seconds:.0f}", row.visitors, Text(row.found))
    return table
