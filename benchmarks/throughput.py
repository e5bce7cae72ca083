"""How many tasks of the default group a worker gets done in a second, with the delivery layer and without."""

import shutil
import struct
from statistics import median

import psutil

from benchmarks.figures import Figure, percentile, spread
from benchmarks.ground import Ground
from benchmarks.sides import NAMES, Side

ROUNDS = 5
TASKS = 3000
GOAL = "0.95"
KINDS = {"noop": "ignores its result", "noop_result": "has a result"}


def measure(ground: Ground) -> list[Figure]:
    """Both in turn, ROUNDS times, on the same Redis."""
    with ground.redis():
        return [_figure(ground, task, about) for task, about in KINDS.items()]


def _figure(ground: Ground, task: str, about: str) -> Figure:
    rates: dict[str, list[float]] = {name: [] for name in NAMES}
    costs: dict[str, list[float]] = {name: [] for name in NAMES}
    for number in range(ROUNDS):
        for name in NAMES if number % 2 else reversed(NAMES):
            rate, cost = _round(Side(ground, name), f"probe.tasks.default.{task}")
            rates[name].append(rate)
            costs[name].append(cost)
    ratios = [mine / theirs for mine, theirs in zip(*rates.values(), strict=True)]
    (ours, bare), (our_cost, bare_cost) = (map(median, each.values()) for each in (rates, costs))
    return Figure(
        f"throughput of the default group against the bare one, a no-op that {about}",
        f"{spread(ratios, 'of it')}: {ours:,.0f} against {bare:,.0f} a second",
        GOAL,
        f"{TASKS} tasks wait when the worker starts; {ROUNDS} rounds each; "
        f"{our_cost:.2f} against {bare_cost:.2f} ms of processor time a task",
    )


def _round(side: Side, task: str) -> tuple[float, float]:
    """Tasks a second between the first and the last twentieth, and milliseconds of processor time a task."""
    shutil.rmtree(side.stamps, ignore_errors=True)
    with side.client() as client:
        client.fill(task, TASKS)
    with side.worker("default") as worker:
        side.ground.wait_for(lambda: _done(side) >= TASKS * 0.05, "the first tasks", every=0.01)
        began, already = _cpu(worker), _done(side)
        side.ground.wait_for(lambda: _done(side) >= TASKS * 0.95, "the last tasks", every=0.01)
        cost = (_cpu(worker) - began) / (_done(side) - already)
        side.ground.wait_for(lambda: _done(side) >= TASKS, "all tasks")
        ends = sorted(_stamps(side))
    first, last = percentile(ends, 5), percentile(ends, 95)
    return TASKS * 0.9 / (last - first), cost * 1000


def _done(side: Side) -> int:
    return sum(file.stat().st_size for file in side.stamps.glob("*")) // 8


def _stamps(side: Side) -> list[float]:
    return [moment for file in side.stamps.glob("*") for (moment,) in struct.iter_unpack("d", file.read_bytes())]


def _cpu(worker: psutil.Process) -> float:
    """Seconds of processor time that a worker and its children have used."""
    times = [process.cpu_times() for process in (worker, *worker.children())]
    return sum(each.user + each.system for each in times)
