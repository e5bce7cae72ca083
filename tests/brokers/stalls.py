"""Measures how long clients stall while a broker's node is lost, beside stock Celery in the same fault.

    python -m tests.brokers.stalls --list
    python -m tests.brokers.stalls --broker rabbitmq --fault power-loss --target leader
    python -m tests.brokers.stalls --document

The first prints what there is to choose from, the second measures one row in about a minute, the last everything, and
writes docs/guarantees.md. Each row is kept as soon as it is measured; --resume goes on after the last. A cluster that
is up already is used and left up; otherwise it is brought up and, without --keep, taken down again. Exit status 1 where
a figure of ours is above its goal.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import cast

from demo.processes import interrupt_on_signals
from rehearsal.errors import RehearsalError
from tests.brokers import document, rows, table
from tests.brokers.cluster import Broker, Cluster
from tests.brokers.faults import FAULTS
from tests.brokers.measure import Ground, measure
from tests.brokers.observers import project as observed
from tests.brokers.rows import Row
from tests.template.rendering import ROOT

BUILD = ROOT / "build/brokers"
BROKERS: tuple[Broker, ...] = ("rabbitmq", "redis")
console = table.console()


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """What was asked for; no choice means all there is of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.brokers.stalls", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--broker", choices=BROKERS, action="append")
    parser.add_argument("--fault", choices=FAULTS, action="append")
    parser.add_argument("--target", choices=rows.TARGETS, action="append")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="how often each row is measured (default 1)")
    parser.add_argument("--no-stock", action="store_true", help="measure ours only")
    parser.add_argument("--fleet", metavar="NAME", help="the fleet the cluster lives in (default: the broker's name)")
    parser.add_argument("--keep", action="store_true", help="leave a cluster up that was brought up here")
    parser.add_argument("--rows", type=Path, default=BUILD / "rows.json", metavar="FILE", help="where rows are kept")
    parser.add_argument("--resume", action="store_true", help="leave out what is kept there already, and was finished")
    parser.add_argument("--document", action="store_true", help="write docs/guarantees.md from all rows kept so far")
    parser.add_argument("--list", action="store_true", help="print the rows there are, and measure nothing")
    return parser.parse_args(given)


def open_cluster(broker: Broker, fleet: str) -> Cluster:
    """The cluster that tests/brokers/<broker>.py describes, in the fleet of that name."""
    module = import_module(f"tests.brokers.{broker}")
    return cast("Cluster", module.cluster(fleet))


def run_row(row: Row, ground: Ground, runs: int = 1) -> Row:
    """Measure `row`; a run that cannot be finished becomes its `problem`."""
    row = replace(row, measured=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"), versions=ground.cluster.versions)
    for number in range(runs):
        try:
            outcome = measure(ground, FAULTS[row.fault], row.target, f"{'-'.join(row.key)}/{number}")
        except (TimeoutError, LookupError, RehearsalError) as error:
            return replace(row, problem=str(error))
        row = replace(
            row,
            ours=[*row.ours, outcome.ours],
            stock=[*row.stock, *filter(None, [outcome.stock])],
            pressure=[*row.pressure, outcome.pressure],
        )
    return row


def _measure_all(chosen: Sequence[Row], options: argparse.Namespace) -> list[Row]:
    done: list[Row] = []
    for broker in dict.fromkeys(row.broker for row in chosen):
        fleet = options.fleet or broker
        project = observed.make(BUILD / fleet / "project")
        cluster = open_cluster(broker, fleet)
        with ExitStack() as stack:
            with console.status(f"{table.BROKERS[broker]} is brought up"):
                booted = cluster.up()
            if booted and not options.keep:
                stack.callback(cluster.down)
            observed.declare(project, cluster)
            folder = BUILD / fleet / "runs"
            ground = Ground(cluster, project, folder, stock=not options.no_stock)
            done += [_measure_one(row, ground, options) for row in chosen if row.broker == broker]
    return done


def _measure_one(row: Row, ground: Ground, options: argparse.Namespace) -> Row:
    began = time.monotonic()
    name = f"{table.BROKERS[row.broker]}: {table.title(row)}"
    with console.status(name) as status:
        watched = replace(ground, say=lambda step: status.update(f"{name}: {step}"))
        measured = run_row(row, watched, options.runs)
    rows.save(options.rows, [measured])
    verdict = "; ".join(miss.partition("\n")[0] for miss in measured.misses()) or "met"
    busy = f" (processes waited for a core {max(measured.pressure, default=0):.0%} of the time)"
    console.print(f"{time.monotonic() - began:4.0f} s  {name}: {verdict}{busy}")
    return measured


def _chosen(options: argparse.Namespace) -> list[Row]:
    faults = [FAULTS[name] for name in options.fault or FAULTS]
    chosen = rows.wanted(options.broker or BROKERS, faults, options.target or rows.TARGETS)
    kept = rows.load(options.rows) if options.resume else []
    finished = {row.key for row in kept if not row.problem}
    return [row for row in chosen if row.key not in finished]


def main(given: Sequence[str]) -> int:
    """Measure what was asked for, print the table, keep the rows."""
    options = arguments(given)
    chosen = _chosen(options)
    if options.list:
        for row in chosen:
            console.print(f"--broker {row.broker} --fault {row.fault} --target {row.target}  (goal {row.goal:.0f} s)")
        return 0
    if not chosen and not options.resume:
        console.print("No row is left of what was chosen; --list shows what there is.")
        return 2
    done = _measure_all(chosen, options)
    console.print(table.terminal(done))
    if options.document:
        document.write(rows.load(options.rows))
    return int(any(row.misses() for row in done))


if __name__ == "__main__":
    interrupt_on_signals()
    sys.exit(main(sys.argv[1:]))
