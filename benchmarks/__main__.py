"""Measures what is named on the command line, or everything, and prints it beside its goals."""

import os
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import confirms, demo_time, head_of_line, idle_memory, latency, render, throughput, units, waking
from benchmarks.figures import Figure
from benchmarks.ground import Ground
from demo import ports
from demo.project import Project

BUILD = Path("build/bench").absolute()
console = Console()


@cache
def _ground() -> Ground:
    ground = Ground(Project(BUILD / "probed", ports.chosen()))
    ground.prepare()
    return ground


def _grounded(measure: Callable[[Ground], list[Figure]]) -> Callable[[], list[Figure]]:
    return lambda: measure(_ground())


def _idle_memory() -> list[Figure]:
    project = Project(BUILD / "shop", ports.chosen())
    project.generate(lambda _line: None)
    project.install(lambda _line: None)
    return idle_memory.measure(project)


MEASURES: dict[str, Callable[[], Iterable[Figure]]] = {
    "render": render.measure,
    "idle-memory": _idle_memory,
    "head-of-line": _grounded(head_of_line.measure),
    "throughput": _grounded(throughput.measure),
    "latency": _grounded(latency.measure),
    "waking": _grounded(waking.measure),
    "confirms": _grounded(confirms.measure),
    "units": units.measure,
    "demo": demo_time.measure,
}
#: Takes hosts, root and most of an hour: measured only where it is asked for by name.
ON_DEMAND = {"units"}


def main(chosen: list[str]) -> int:
    """Print one table of all figures; 2 for a name that is none."""
    if unknown := set(chosen) - set(MEASURES):
        console.print(f"There is no {', '.join(unknown)}. There are: {', '.join(MEASURES)}")
        return 2
    table = Table("figure", "measured", "goal", "how", title=f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    for name in chosen or [name for name in MEASURES if name not in ON_DEMAND]:
        with console.status(f"measuring {name}"):
            for figure in MEASURES[name]():
                console.print(f"{figure.name}: {figure.measured}")
                table.add_row(figure.name, figure.measured, figure.goal, figure.how)
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
