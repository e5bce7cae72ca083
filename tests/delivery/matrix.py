"""Counts what is lost, run twice and kept, while each fault of the matrix strikes on each broker.

    python -m tests.delivery.matrix --list
    python -m tests.delivery.matrix --broker redis --fault worker-power
    python -m tests.delivery.matrix --resume --document

The first prints what there is to choose from, the second measures one cell in about two minutes after the fleet is up,
the last everything that is not kept yet, and writes docs/guarantees.md. Each cell is kept as soon as it is measured.
Exit status 1 where a cell is not as promised.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from demo.processes import interrupt_on_signals
from rehearsal.errors import RehearsalError
from tests.brokers import table as brokers_table
from tests.brokers.table import BROKERS
from tests.delivery import cells, document, project, table
from tests.delivery.cell import LEAST, Say, measure
from tests.delivery.cells import Cell
from tests.delivery.faults import FAULTS, KNOWN
from tests.delivery.ground import Ground, folder_of

console = brokers_table.console()
#: What makes a cell's ground useless: the next cell gets a new one.
BROKEN = (TimeoutError, LookupError, RehearsalError, AssertionError, RuntimeError)


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """What was asked for; no choice means all there is of it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.delivery.matrix", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--broker", choices=BROKERS, action="append")
    parser.add_argument("--fault", choices=FAULTS, action="append")
    parser.add_argument("--fleet", default="matrix", metavar="NAME", help="the fleet's name (default: matrix)")
    parser.add_argument(
        "--cells", type=Path, default=folder_of("cells.json"), metavar="FILE", help="where cells are kept"
    )
    parser.add_argument("--resume", action="store_true", help="leave out what is kept there already, and was finished")
    parser.add_argument("--document", action="store_true", help="write docs/guarantees.md from all cells kept so far")
    parser.add_argument("--list", action="store_true", help="print the cells there are, and measure nothing")
    return parser.parse_args(given)


def run_cell(cell: Cell, ground: Ground, say: Say = print, least: float = LEAST) -> Cell:
    """Measure `cell`; one that cannot be finished gets its `problem`."""
    cell = replace(cell, measured=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"))
    try:
        cell = replace(cell, versions=ground.cluster.versions)
        return replace(cell, verdict=measure(ground, KNOWN[cell.fault], say, least))
    except BROKEN as error:
        return replace(cell, problem=f"{type(error).__name__}: {error}")


def _measure_all(chosen: Sequence[Cell], options: argparse.Namespace) -> list[Cell]:
    done: list[Cell] = []
    for broker in dict.fromkeys(cell.broker for cell in chosen):
        waiting = [cell for cell in chosen if cell.broker == broker]
        while waiting:
            measured = list(_on_one_ground(waiting, options))
            done += measured
            waiting = waiting[len(measured) :]
    return done


def _on_one_ground(waiting: Sequence[Cell], options: argparse.Namespace) -> Iterator[Cell]:
    """Measure one after the other, up to the first that leaves the ground in a state nobody knows."""
    folder = folder_of(options.fleet)
    with ExitStack() as stack:
        with console.status(f"{BROKERS[waiting[0].broker]}: the fleet is brought up"):
            made = project.make(folder / "project")
            ground = stack.enter_context(Ground(options.fleet, waiting[0].broker, made, folder))
        for number, cell in enumerate(waiting, start=1):
            measured = _measure_one(cell, ground, f"{number} of {len(waiting)}", options)
            yield measured
            if measured.problem:
                return


def _measure_one(cell: Cell, ground: Ground, which: str, options: argparse.Namespace) -> Cell:
    began = time.monotonic()
    name = f"{BROKERS[cell.broker]}: {cell.title}"
    with console.status(f"{which}, {name}") as status:
        measured = run_cell(cell, ground, lambda step: status.update(f"{which}, {name}: {step}"))
    cells.save(options.cells, [measured])
    verdict = "; ".join(miss.partition("\n")[0] for miss in measured.misses()) or "as promised"
    console.print(f"{time.monotonic() - began:4.0f} s  {name}: {verdict}")
    return measured


def _chosen(options: argparse.Namespace) -> list[Cell]:
    chosen = cells.wanted(options.broker or cells.BROKERS, options.fault or list(FAULTS))
    kept = cells.load(options.cells) if options.resume else []
    finished = {cell.key for cell in kept if cell.verdict}
    return [cell for cell in chosen if cell.key not in finished]


def main(given: Sequence[str]) -> int:
    """Measure what was asked for, print the table, keep the cells."""
    options = arguments(given)
    chosen = _chosen(options)
    if options.list:
        for cell in chosen:
            console.print(f"--broker {cell.broker} --fault {cell.fault}  ({cell.title})")
        return 0
    done = _measure_all(chosen, options)
    console.print(table.terminal(done))
    if options.document:
        document.write(cells.load(options.cells))
    return int(any(cell.misses() for cell in done))


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main(sys.argv[1:]))
