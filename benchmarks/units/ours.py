"""A unit for each worker, as `workers units` writes it: start, stop, memory, restarts under load."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.figures import Figure, spread
from tests.systemd.app import App, worker
from tests.systemd.ground import Ground
from tests.systemd.load import loaded
from tests.systemd.restarts import at_rest, restart

ROUNDS: Final = 3
#: Group -> the worker that is measured, and its slots (tests/systemd/project.py).
WORKERS: Final = {
    "default": ("default", 2),
    "priority": ("priority", 2),
    "batch": ("batch-1", 2),
    "ml": ("ml", 1),
    "io": ("io", 10),
    "green": ("green", 10),
}
#: Groups whose busy stop is measured: io's tasks cannot be told to take as long as a hard limit, it has none.
BUSY: Final = ("default", "priority", "batch", "ml", "green")
#: Seconds of the tasks that a busy stop waits for: less than any group's soft time limit.
LONG: Final = 3
_PSS: Final = """\
for pid in $(pgrep -u observed); do cat /proc/$pid/smaps_rollup; done | awk '/^Pss:/ {sum += $2} END {print sum}'
"""


@dataclass(frozen=True)
class Rounds:
    """Seconds and MiB of one group."""

    starts: list[float]
    stops: list[float]
    memory: list[float]


def speed(ground: Ground, folder: Path) -> Iterator[Figure]:
    """Each group alone on the host."""
    for group in WORKERS:
        yield from _group(ground, group, folder)


def restarts(ground: Ground, folder: Path, times: int) -> list[Figure]:
    """One group again and again while tasks flow."""
    unit = worker("priority")
    ground.app.start(unit)
    with loaded(ground, folder) as load:
        before = at_rest(ground, load, "priority", WORKERS["priority"][1])
    with loaded(ground, folder) as load:
        load.flow("priority")
        seconds = restart(ground.app, unit, times)
        load.settle(120)
        sent, lost, twice = len(load.ids("accepted")), len(load.open()), len(load.twice())
    with loaded(ground, folder) as load:
        differ = at_rest(ground, load, "priority", WORKERS["priority"][1]).differ(before)
    ground.app.stop(unit)
    return [
        Figure(f"{times} restarts under load: until READY", spread(seconds, "s"), "", "priority, 5 tasks a second"),
        Figure("tasks lost / done twice in them", f"{lost} / {twice} of {sent}", "0 / 0", "each waited for"),
        Figure("left over by them", str(differ or "nothing"), "nothing", "processes, sockets, queues, bindings, files"),
    ]


def _group(ground: Ground, group: str, folder: Path) -> list[Figure]:
    name, slots = WORKERS[group]
    found = _rounds(ground.app, worker(name))
    figures = [
        Figure(f"{group}: start to READY", spread(found.starts, "s"), "", f"{ROUNDS} rounds"),
        Figure(f"{group}: idle stop", spread(found.stops, "s"), "", f"{ROUNDS} rounds"),
        Figure(f"{group}: idle memory", f"{median(found.memory):.0f} MiB", "", f"proportional set size, {slots} slots"),
    ]
    if group in BUSY:
        after = _busy(ground, group, folder)
        figures.append(Figure(f"{group}: busy stop, after the last task", f"{after:.2f} s", "", "all slots busy"))
    return figures


def _rounds(app: App, unit: str) -> Rounds:
    found = Rounds([], [], [])
    for _ in range(ROUNDS):
        began = time.monotonic()
        app.start(unit)
        found.starts.append(time.monotonic() - began)
        found.memory.append(int(app.host.run("sh", "-c", _PSS).stdout) / 1024)
        began = time.monotonic()
        app.stop(unit)
        found.stops.append(time.monotonic() - began)
    return found


def _busy(ground: Ground, group: str, folder: Path) -> float:
    """Seconds from the end of the last task to the end of the unit, with a task in each slot when the stop comes."""
    name, slots = WORKERS[group]
    ground.app.start(worker(name))
    with loaded(ground, folder) as load:
        load.long(group, slots, LONG)
        ground.app.stop(worker(name))
        ended = time.time()
        done = [entry.at for entry in load.look() if entry.what == "done"]
    if len(done) != slots:
        raise RuntimeError(f"{group}: {slots - len(done)} tasks were not done when the unit had stopped")
    return ended - max(done)
