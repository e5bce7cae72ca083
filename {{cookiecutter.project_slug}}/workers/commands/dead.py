"""`workers dead`: the tasks that were given up: what they are, sending them again, throwing them away."""

import getpass
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import click
import django
from django.db import DatabaseError
from rich import box
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from workers.commands.output import print_json, refuse, stderr, stdout
from workers.delivery.dead.values import NoAgeError, age

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from workers.delivery.dead.replay import Outcome
    from workers.delivery.models.letters import DeadLetter

# What needs Django's models is imported once Django is set up.
# ruff: noqa: PLC0415

#: Exit code where some of it was not done: 1 and 2 are taken by refusals and wrong usage.
NOT_ALL: Final = 3
EPILOG: Final = "Exit codes: 0 done; 3 not all of it, or the broker could not be asked; 1 refused; 2 wrong usage."
#: Letters that are shown at a time.
PAGE: Final = 50
#: Columns that are numbers.
NUMBERS: Final = ("id", "ago", "runs", "replays")
#: Columns that are cut where there is no room for all of them.
CUT: Final = ("task", "exception", "not sent, because")
STATES: Final = ("dead", "replayed", "again", "any")


class Age(click.ParamType[timedelta]):
    """An age such as 2h or 3d."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it, or say what one looks like."""
        try:
            return age(str(value))
        except NoAgeError as error:
            self.fail(str(error), param, ctx)


_FILTERS: Final = (
    click.option("--task", metavar="NAME", help="The task's name; * stands for anything."),
    click.option("--group", "--queue", "group", metavar="GROUP", help="The group whose queue it came from."),
    click.option("--reason", metavar="WORDS", help='Why it was given up: failed, lost, "time limit", deliveries, ...'),
    click.option("--exception", metavar="PART", help="A part of the exception's class."),
    click.option("--older-than", type=Age(), help="Given up longer ago: 90s, 30m, 2h, 3d, 1w."),
    click.option("--newer-than", type=Age(), help="Given up since then."),
    click.option("--state", type=click.Choice(STATES), default="dead", show_default=True, help="Who has to act."),
)
_CHANGING: Final = (
    click.argument("ids", nargs=-1, metavar="[ID]..."),
    *_FILTERS,
    click.option("--all", "everything", is_flag=True, help="All letters, where neither an id nor a filter is given."),
    click.option("--yes", is_flag=True, help="Do not ask."),
)
_as_json: Final = click.option("--json", "as_json", is_flag=True, help="The same as JSON.")


def _with(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.group()
def dead() -> None:
    """Show the tasks that were given up, send them again, or throw them away.

    Each command first collects what the broker holds of them into the database.
    """
    django.setup()


@dead.command("list", epilog=EPILOG)
@_with(*_FILTERS, _as_json)
@click.option("--limit", type=click.IntRange(1), help="How many to show. [default: 50; with --json all]")
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="Which of them.")
def list_(*, as_json: bool, limit: int | None, page: int, **selection: Any) -> None:
    """Show the letters, the newest first. Arguments are not among it: see `show`."""
    from workers.delivery.dead.listing import COLUMNS, data, row

    with _database():
        notes = _collect()
        letters = _found(**selection)
        total = letters.count()
        limit = limit or (max(total, 1) if as_json else PAGE)
        first = (page - 1) * limit
        shown = list(letters[first : first + limit])
    if as_json:
        print_json({"letters": [data(letter) for letter in shown], "total": total, "notes": notes})
    elif shown:
        _print(COLUMNS, [row(letter) for letter in shown])
        more = f"; --page {page + 1} shows more" if first + len(shown) < total else ""
        stdout.print(f"[dim]{first + 1:,} to {first + len(shown):,} of {total:,}{more}[/]")
    else:
        stdout.print(f"there are {total:,}: no page {page}" if total else "[green]no such letters[/]")
    sys.exit(NOT_ALL if notes else 0)


@dead.command(epilog=EPILOG)
@click.argument("id_", metavar="ID")
@click.option("--reveal", is_flag=True, help="Show the values of all arguments, which may be somebody's data.")
@_as_json
def show(*, id_: str, reveal: bool, as_json: bool) -> None:
    """Show one letter: by its number, or the newest one of a task by its id."""
    from workers.delivery.dead.listing import facts, history

    with _database():
        notes = _collect()
        letter = _found(ids=(id_,), state="any").first()
        if letter is None:
            refuse([f"there is no letter {id_}: `python -m workers dead list --state any` names all"])
        told, events = facts(letter, reveal=reveal), history(letter)
    if as_json:
        print_json({"id": letter.pk, **told, "traceback": letter.traceback, "history": events, "notes": notes})
    else:
        _print_one(letter, told, events)
    sys.exit(NOT_ALL if notes else 0)


@dead.command(epilog=EPILOG)
@_with(*_CHANGING)
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="The most to send now.")
@click.option("--rate", type=click.FloatRange(0.1, 1000), default=10, show_default=True, help="The most a second.")
@click.option("--force", is_flag=True, help="Also what was sent again too often, or has not come back.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent, and where to.")
def replay(*, limit: int, rate: float, force: bool, dry_run: bool, yes: bool, **selection: Any) -> None:
    """Send letters again, the oldest first: with their id, to where their task is routed now."""
    from workers.delivery.dead import replay as sending

    with _database():
        notes = _collect()
        found = _some(selection).reverse()
        total, letters = found.count(), list(found[:limit])
        if dry_run:
            _print_plan([sending.planned(letter, force=force) for letter in letters], total)
            return
        if total > 1 and not yes:
            question = f"Send {len(letters):,} of {total:,} tasks again, {rate:g} a second?"
            click.confirm(question, abort=True, err=True)
        outcomes = []
        with _progress("sending", len(letters)) as advance:
            for outcome in sending.replay(letters, _who(), rate=rate, force=force):
                outcomes.append(outcome)
                advance(1)
    _print_outcomes(outcomes, total)
    sys.exit(NOT_ALL if notes or any(outcome.refusal for outcome in outcomes) else 0)


@dead.command(epilog=EPILOG)
@_with(*_CHANGING)
def purge(*, yes: bool, **selection: Any) -> None:
    """Throw letters away, for good. Old ones go by themselves."""
    from workers.delivery.dead.retention import forget

    with _database():
        notes = _collect()
        letters = _some(selection)
        total = letters.count()
        if not yes:
            click.confirm(f"Throw {total:,} letters away?", abort=True, err=True)
        with _progress("throwing away", total) as advance:
            gone = sum(advance(count) for count in forget(letters))
    stdout.print(f"{gone:,} thrown away")
    sys.exit(NOT_ALL if notes else 0)


@dead.command(epilog=EPILOG)
def collect() -> None:
    """Move what the broker holds into the database: the relay does so all the time."""
    from workers.delivery.dead.collect import NotCollectedError, collect_once

    with _database():
        try:
            stdout.print(f"{collect_once():,} collected")
        except NotCollectedError as error:
            refuse([f"BROKER_URL: {error}"])


def _collect() -> list[str]:
    """Collect; where that does not work, what there is to say about it: there is something to look at all the same."""
    from workers.delivery.dead.collect import NotCollectedError, collect_once

    try:
        collect_once()
    except NotCollectedError as error:
        note = f"not all is here; what was given up since is still with the broker: {error}"
        stderr.print(Text(note, style="yellow"))
        return [note]
    return []


def _found(*, ids: tuple[str, ...] = (), state: str, **filters: Any) -> "QuerySet[DeadLetter]":
    """The letters that are meant; those that are named by their ids in whatever state they are."""
    from workers.delivery.dead.selection import Selection

    return Selection(ids=ids, **filters).letters(None if ids or state == "any" else state)


def _some(selection: dict[str, Any]) -> "QuerySet[DeadLetter]":
    """The same, refused where none was meant or there is none."""
    everything = selection.pop("everything")
    if not everything and not any(value for name, value in selection.items() if name != "state"):
        refuse(["which letters? Name ids or a filter, or all of them by --all"])
    letters = _found(**selection)
    if not letters.exists():
        refuse([_nothing(selection["ids"])])
    return letters


def _nothing(ids: tuple[str, ...]) -> str:
    return f"there is no letter {', '.join(ids)}" if ids else "no letter passes these filters"


def _who() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"


@contextmanager
def _database() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        refuse([f"DATABASE_URL: {str(error).strip()}; is it up, and was `python manage.py migrate` run?"])


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], int]]:
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True) as progress:
        bar = progress.add_task(what, total=total)

        def advance(count: int) -> int:
            progress.advance(bar, count)
            return count

        yield advance


def _print(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A line a letter; where there is no room for all of it, names and texts are cut."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in NUMBERS else "left", no_wrap=column not in CUT)
    for cells in rows:
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in cells))
    stdout.print(table, soft_wrap=False)


def _print_one(letter: "DeadLetter", told: dict[str, str], events: list[tuple[str, str]]) -> None:
    stdout.print(Text.assemble((f"letter {letter.pk}", "bold")))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in told.items():
        grid.add_row(name, Text(value))
    for number, (moment, what) in enumerate(events):
        grid.add_row("" if number else "history", Text(f"{moment}  {what}"))
    stdout.print(grid, soft_wrap=False)
    if letter.traceback:
        stdout.print()
        stdout.print(Text(letter.traceback.rstrip()))


def _print_plan(outcomes: "list[Outcome]", total: int) -> None:
    rows = [(str(each.letter.pk), each.letter.task or "-", each.queue or "-", each.refusal) for each in outcomes]
    _print(("id", "task", "to", "not sent, because"), rows)
    sent = sum(not each.refusal for each in outcomes)
    stdout.print(f"[dim]{sent:,} of {total:,} would be sent; nothing was[/]")


def _print_outcomes(outcomes: "list[Outcome]", total: int) -> None:
    sent = sum(not each.refusal for each in outcomes)
    stdout.print(f"{sent:,} of {total:,} sent again")
    for refusal, count in Counter(each.refusal for each in outcomes if each.refusal).items():
        stdout.print(Text(f"{count:>6,} not: {refusal}", style="yellow"))
    if len(outcomes) < total:
        stdout.print(f"[dim]{total - len(outcomes):,} were not looked at: --limit, or run it again[/]")
