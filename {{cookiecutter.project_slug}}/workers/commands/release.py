"""`workers release`: builds releases, and on a host makes one of them what runs."""

import sys
from pathlib import Path
from typing import Final

import click
import django

from workers.commands.output import REFUSED, print_json, refuse, stderr, stdout
from workers.commands.progress import progress
from workers.commands.refusing import refusing
from workers.release.build import Builder, StaticFilesError
from workers.release.commit import Commit, NoCommitError
from workers.release.home import Home
from workers.release.host import Host, PutBackError
from workers.release.packages import PLATFORMS, PackagesError
from workers.release.services import UnknownServiceError
from workers.topology.load import ROOT

#: Uncommitted files that are named.
SHOWN: Final = 5


@click.group()
def release() -> None:
    """Build a release of a commit; on a host, make it what runs."""


@release.command()
@click.option("--commit", default="HEAD", show_default=True, help="A hash, a branch, a tag, or a release's name.")
@click.option("--machine", type=click.Choice(list(PLATFORMS)), default="x86_64", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Say where it lies as JSON.")
def build(*, commit: str, machine: str, as_json: bool) -> None:
    """Build the release of a commit, under build/.

    One archive holds the code with its static files, another one the packages of requirements/base.txt for the Python
    of Debian 13, which releases with the same lock share. Building twice gives the same bytes; what is there is not
    built again. What is not committed is in no release.
    """
    try:
        found = Commit.find(ROOT, commit)
        built = Builder(ROOT / "build", machine, lambda words: stderr.print(words, style="dim")).build(found)
    except (NoCommitError, PackagesError, StaticFilesError) as error:
        refuse([str(error)])
    if as_json:
        print_json(built.as_data())
        return
    if uncommitted := found.uncommitted():
        more = f" and {len(uncommitted) - SHOWN} more" if len(uncommitted) > SHOWN else ""
        named = ", ".join(line[3:] for line in uncommitted[:SHOWN])
        stdout.print(f"[yellow]not committed, so not in it[/]: {named}{more}")
    for archive in (built.archive, built.environment_archive):
        stdout.print(f"{Path(archive).stat().st_size / 1e6:7.1f} MB  {Path(archive).relative_to(ROOT)}")
    stdout.print(f"[green]{built.id}[/] {'built' if built.new else 'was there'}")


@release.command()
@click.argument("name", metavar="RELEASE")
@click.option("--services", metavar="NAMES", help="All that is to run here: batch,beat,web. Else: what is enabled.")
@click.option("--together", is_flag=True, help="All services at once, behind spares where they are needed: quicker.")
@click.option("--keep", default=5, show_default=True, metavar="NUMBER", help="How many releases stay on the host.")
@click.option("--previous", metavar="RELEASE", help="What is to be the one before; else what ran until now.")
@click.option("--unready", is_flag=True, help="Also where the web is not ready before: this release is to mend that.")
@click.option("--check", is_flag=True, help="Change nothing; say what would be done.")
def activate(  # noqa: PLR0913 - one for each option
    *,
    name: str,
    services: str | None,
    together: bool,
    keep: int,
    previous: str | None,
    unready: bool,
    check: bool,
) -> None:
    """Make RELEASE what this host runs; called with that release's own Python, as root.

    Moves `current`, writes the units, replaces the workers of each group behind a spare, restarts beat, relay and
    Flower, then the web, and waits until it is ready. Services that run the release already, with the environment and
    the secrets as they are now, are left alone. Where something does not become ready, the release before is put back.
    """
    home = Home(ROOT.parents[1])
    if home.path(name) != ROOT:
        refuse([f"this is {ROOT}: activate {name} with its own Python, {home.path(name)}/.venv/bin/python"])
    host = Host(home, name, progress())
    with refusing():
        wanted = None if services is None else [each for each in services.split(",") if each]
        try:
            host.activate(wanted, together=together, look=not (together or unready), check=check)
        except UnknownServiceError as error:
            refuse([str(error)])
        except PutBackError as error:
            stderr.print(str(error), style="red", markup=False)
            sys.exit(REFUSED)
        if not check:
            if previous:
                home.put_back(name, previous)
            for gone in host.prune(keep):
                stdout.print(f"removed {gone}")


@release.command()
@click.option("--beside/--alone", default=True, help="Whether an older release runs meanwhile.", show_default=True)
def migrations(*, beside: bool) -> None:
    """Say what `migrate` would apply; refuse what a release that still runs could not live with.

    A migration that is refused, and that you know to do no harm, says so: `compatible = "why"` in its class.
    """
    django.setup()
    from django.db import connection  # noqa: PLC0415 - exists once the settings are read
    from django.db.migrations.executor import MigrationExecutor  # noqa: PLC0415

    from workers.release.migrations import applied, dangers, unapplied  # noqa: PLC0415

    executor = MigrationExecutor(connection)
    waiting = unapplied(executor)
    if beside and (found := [str(danger) for danger in dangers(applied(executor), waiting)]):
        refuse(found)
    for migration in waiting:
        stdout.print(f"to apply: {migration.app_label}.{migration.name}")
    if not waiting:
        stdout.print("nothing to apply")
