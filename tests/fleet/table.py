"""Does everything to a fleet that happens to fleets, and prints what was seen.

    python -m tests.fleet.table --list
    python -m tests.fleet.table bare rolling back
    python -m tests.fleet.table --document

The first prints which rows there are; the second does some, in the order of the table (most need `bare` before them);
the last does all, and writes docs/guarantees.md. Exit status 1 where a row is not as promised.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich import box
from rich.table import Table

from demo.processes import interrupt_on_signals
from tests.brokers import document
from tests.brokers.table import console as make_console
from tests.fleet.ground import Ground
from tests.fleet.row import Row, Seen
from tests.fleet.rows import ROWS
from tests.template.rendering import ROOT

BEGIN, END = "<!-- fleet: begin -->", "<!-- fleet: end -->"
FOLDER: Final = ROOT / "build/fleet"

console = make_console()


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """What was asked for; no choice means all rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.fleet.table", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", choices=[*ROWS, []], help="some of them: see --list")
    parser.add_argument("--fleet", default="fleet", metavar="NAME", help="the fleet's name (default: fleet)")
    parser.add_argument("--document", action="store_true", help="write docs/guarantees.md")
    parser.add_argument("--list", action="store_true", help="print the rows, and do nothing")
    return parser.parse_args(given)


def run(row: Row, ground: Ground) -> Seen:
    """Do it; a row that breaks off is one that is not as promised."""
    began = time.monotonic()
    try:
        with console.status(row.title):
            seen = row.do(ground)
    except (AssertionError, OSError, RuntimeError) as error:
        seen = Seen("broken off", [f"{type(error).__name__}: {error}"])
    verdict = "[green]met[/]" if not seen.odd else "[bold red]missed[/]"
    console.print(f"{time.monotonic() - began:5.0f} s  {verdict}  {row.title}: {seen.shown}")
    for miss in seen.odd:
        console.print(f"          {miss}", style="red", markup=False)
    return seen


def markdown(found: dict[str, Seen]) -> str:
    """For docs/guarantees.md: what is not as promised is bold."""
    head = f"Measured {datetime.now(UTC):%Y-%m-%d}, eleven hosts of Debian 13 on two cores, by `make fleet`."
    lines = ["| what happens | what was seen | |", "|---|---|---|"]
    for name, seen in found.items():
        missed = "; ".join(miss.partition("\n")[0] for miss in seen.odd)
        verdict = f"**missed**: {missed}" if missed else "met"
        lines.append(f"| {ROWS[name].title} | {seen.shown} | {verdict} |")
    missing = [row.title for name, row in ROWS.items() if name not in found]
    told = [f"\nNot measured: {'; '.join(missing)}.\n"] if missing else []
    return "\n".join([head, "", *lines, *told])


def terminal(found: dict[str, Seen]) -> Table:
    """The same for 120 columns."""
    table = Table("what happens", "what was seen", "", box=box.SIMPLE_HEAD)
    for name, seen in found.items():
        table.add_row(ROWS[name].title, seen.shown, "[bold red]missed[/]" if seen.odd else "[green]met[/]")
    return table


def main(given: Sequence[str]) -> int:
    """Do what was asked for, print the table."""
    options = arguments(given)
    chosen = [name for name in ROWS if not options.rows or name in options.rows]
    if options.list:
        for name in chosen:
            console.print(f"{name:<12} {ROWS[name].title}")
        return 0
    folder = _emptied(FOLDER / options.fleet)
    with Ground(options.fleet, folder) as ground:
        found = {name: run(ROWS[name], ground) for name in chosen}
    console.print(terminal(found))
    if options.document:
        document.replace(BEGIN, END, markdown(found))
    return int(any(seen.odd for seen in found.values()))


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main(sys.argv[1:]))
