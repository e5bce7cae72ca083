"""`workers units`: writes the systemd units of this host."""

import sys
from pathlib import Path
from typing import Final

import click

from workers.commands.output import REFUSED, refuse, stdout
from workers.derive import units as derived
from workers.systemd.files import Change, changes
from workers.systemd.installed import loaded_here
from workers.topology import load

#: What makes written files count.
NEXT: Final = "systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload"
COLOURS: Final = {"new": "green", "changed": "yellow", "removed": "red"}


@click.command()
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default="/",
    show_default=True,
    help="Where the file system of the host begins.",
)
@click.option("--environment", "-e", help="With its sizes; by default the one of /etc/<project>/environment.")
@click.option("--check", is_flag=True, help="Change nothing; exit 1 where something would change.")
@click.option("--diff", is_flag=True, help="Show the lines that differ, too.")
def units(*, root: Path, environment: str | None, check: bool, diff: bool) -> None:
    """Write the systemd units of this host.

    Those of systemd/ under this project's name, and for each worker and group what workers.yml says of them: time-outs,
    memory, slices. Removes what it wrote before and workers.yml no longer has; files of yours are left alone.
    """
    if not derived.SOURCES.is_dir():
        refuse([f"{derived.SOURCES} is missing: the units are part of the release; bring that folder to the host"])
    topology = (load(environment=environment) if environment else loaded_here()).topology
    wanted = derived.units(topology)
    found = changes(root, topology.project, wanted)
    for change in found:
        _show(change, diff=diff)
    if not found:
        stdout.print(f"{len(wanted)} files, nothing to change")
    if check:
        sys.exit(REFUSED if found else 0)
    try:
        for change in found:
            change.apply(root)
    except OSError as error:
        refuse([f"{error.filename}: {error.strerror}; run it as root, or name a folder of yours with --root"])
    if found:
        stdout.print(f"\nNow: {NEXT}")


def _show(change: Change, *, diff: bool) -> None:
    stdout.print(f"[{COLOURS[change.what]}]{change.what:<8}[/] /{change.path}")
    if diff:
        stdout.out(change.diff)
