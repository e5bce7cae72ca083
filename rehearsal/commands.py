"""The command line: `python -m rehearsal COMMAND`."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn

import click
from rich.console import Console
from rich.text import Text

from rehearsal.errors import RehearsalError
from rehearsal.fleet import Fleet
from rehearsal.inventory import CONTROLLER, Inventory
from rehearsal.journal import journal_command
from rehearsal.listing import as_table, as_values, rows
from rehearsal.paths import PACKAGE
from rehearsal.requirements import install_missing, require
from rehearsal.state import fleets
from rehearsal.steps import Steps
from rehearsal.trial import trial

#: Exit code where the command was refused or failed; the reasons stand on standard error.
FAILED: Final = 1

_DEFAULT: Final = "rehearsal"

_out: Final = Console(highlight=False)
_err: Final = Console(highlight=False, soft_wrap=True, stderr=True)

_fleet_option: Final = click.option(
    "--fleet",
    "name",
    metavar="NAME",
    default=_DEFAULT,
    envvar="REHEARSAL_FLEET",
    show_default=True,
    help="Which fleet; also from REHEARSAL_FLEET.",
)
_command_options: Final = {"ignore_unknown_options": True, "allow_interspersed_args": False}


class _Group(click.Group):
    """Turns refusals into lines for the person at the terminal, never into a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a refusal ends in exit code FAILED."""
        try:
            return super().invoke(ctx)
        except RehearsalError as error:
            _err.print(Text(str(error)))
            sys.exit(FAILED)


@click.group(cls=_Group, epilog=f"Exit codes: 0 done; {FAILED} refused or failed, with the reasons; 2 wrong usage.")
def main() -> None:
    """Real Debian hosts with systemd on this machine, and the faults to cause on them. Needs root."""


@main.command()
@_fleet_option
@click.option(
    "--inventory",
    type=click.Path(path_type=Path, dir_okay=False),
    default=PACKAGE / "example.yml",
    help="An Ansible inventory in YAML; without it, the small example that comes with this package.",
)
@click.option("--install", is_flag=True, help="Install what this machine lacks with apt-get first.")
def up(name: str, inventory: Path, *, install: bool) -> None:
    """Make and boot every host; mend every link, heal every partition. Hosts that are on stay on."""
    fleet = Fleet(name, Inventory.read(inventory))
    with Steps(_out) as steps:
        if install:
            install_missing(steps)
        fleet.up(steps)
    _out.print()
    _out.print(as_table(name, rows(fleet)))
    _out.print(f"\n{_next_commands(fleet)}", style="dim")


@main.command()
@_fleet_option
@click.option("--json", "as_json", is_flag=True, help="The same for programs.")
def ls(name: str, *, as_json: bool) -> None:
    """Show the hosts: address, groups, layers, and how each is."""
    fleet = _fleet(name)
    listed = rows(fleet)
    if as_json:
        _out.out(json.dumps({"fleet": name, "hosts": as_values(listed)}, indent=2))
        return
    _out.print(as_table(name, listed))
    if others := [other for other in fleets() if other != name]:
        _out.print(f"\nother fleets (--fleet NAME): {', '.join(others)}", style="dim")


@main.command("exec", context_settings=_command_options)
@_fleet_option
@click.argument("host")
@click.argument("command", nargs=-1)
def exec_(name: str, host: str, command: tuple[str, ...]) -> None:
    """Run COMMAND as root in HOST, or a shell: exec HOST -- COMMAND...

    HOST may be "controller": then COMMAND is a program of this machine that runs in the fleet's network.
    """
    fleet = _fleet(name)
    argv = [part for number, part in enumerate(command) if number or part != "--"] or ["bash", "-l"]
    if host == CONTROLLER:
        _become(fleet.command(*argv))
    _become(fleet[host].command("env", f"TERM={os.environ.get('TERM', 'dumb')}", *argv))


@main.command()
@_fleet_option
@click.argument("host")
@click.argument("unit", required=False)
def kill(name: str, host: str, unit: str | None) -> None:
    """Kill the processes of UNIT in HOST; without UNIT, HOST loses its power."""
    target = _fleet(name)[host]
    if unit:
        target.kill(unit)
    else:
        target.power_off()


def _each_host(about: str, act: str) -> Callable[..., None]:
    """A command that does the same to every host that is named."""

    def command(name: str, hosts: Sequence[str]) -> None:
        fleet = _fleet(name)
        for host in [fleet[each] for each in hosts]:  # all are known before one is touched
            getattr(host, act)()

    command.__doc__ = about
    return main.command(act)(_fleet_option(click.argument("hosts", nargs=-1, required=True)(command)))


_each_host("Switch HOSTS on again, with their disks as they were.", "boot")
_each_host("Pull the network cables of HOSTS.", "cut")
_each_host("Plug the network cables of HOSTS in again.", "mend")


@main.command("partition")
@_fleet_option
@click.argument("some")
@click.argument("others")
def partition_(name: str, some: str, others: str) -> None:
    """Part hosts from each other: partition a b,c leaves a without b and c, and b with c.

    "controller" stands for this machine's side of the network.
    """
    _fleet(name).partition(some.split(","), others.split(","))


@main.command()
@_fleet_option
def heal(name: str) -> None:
    """End all partitions."""
    _fleet(name).heal()


@main.command()
@_fleet_option
@click.argument("host")
@click.option("-u", "--unit", help="Of this unit only.")
@click.option("-n", "--lines", type=click.IntRange(1), default=100, show_default=True, help="That many of the last.")
@click.option("-f", "--follow", is_flag=True, help="Go on as new ones come.")
def logs(name: str, host: str, unit: str | None, lines: int, *, follow: bool) -> None:
    """Show the journal of HOST, also while it is off."""
    options = [f"--lines={lines}", *(["--follow"] if follow else []), *([f"--unit={unit}"] if unit else [])]
    _become(journal_command(_fleet(name)[host], *options))


@main.command()
@click.option("--environment", "-e", required=True, help="Whose hosts: a folder of environments/.")
@click.option("--lose", metavar="HOST", help="Which host loses its power; without it, one that can be spared.")
@click.option("--keep", is_flag=True, help="Leave the hosts there in the end, to be looked at.")
def rehearse(environment: str, lose: str | None, *, keep: bool) -> None:
    """Rehearse an environment of the project in this folder, on hosts of this machine.

    Rolls everything out, deploys another release, takes a host's power away, rolls back, while visitors look at the
    site; prints what was found, and takes the hosts away. Nothing real is touched or asked for.
    """
    if not trial.rehearse(Path.cwd(), environment, lose, _out, keep=keep):
        sys.exit(FAILED)


@main.command()
@_fleet_option
def down(name: str) -> None:
    """Take everything of the fleet away, its disks included; layers stay for the next time."""
    require()
    with Steps(_out) as steps:
        if not Fleet.take_down(name, steps):
            _out.print(f"no fleet is called {name}: nothing to do")


def _fleet(name: str) -> Fleet:
    require()
    return Fleet.remembered(name)


def _next_commands(fleet: Fleet) -> str:
    """What to type next, with the Python that this runs on."""
    host = next(iter(fleet.hosts))
    program = "python" if shutil.which("python") == sys.executable else os.path.relpath(sys.executable)
    option = "" if fleet.name == _DEFAULT else f"--fleet {fleet.name} "
    lines = {
        f"exec {option}{host}": "a shell in it",
        f"kill {option}{host}": "its power is lost; more faults: --help",
        f"down {option}": "all of them are gone",
    }
    width = max(map(len, lines))
    return "\n".join(f"{program} -m rehearsal {line:<{width}}  {about}" for line, about in lines.items())


def _become(command: list[str]) -> NoReturn:
    """Let the command take this process's place: terminal, signals and exit code are its own."""
    sys.stdout.flush()
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
