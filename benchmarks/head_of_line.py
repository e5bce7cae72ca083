"""How long an urgent task waits behind a flood of batch work: separate groups against one stock worker."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from benchmarks.figures import Figure, percentile
from benchmarks.ground import Ground
from demo import processes

ROUNDS = 3
GOALS = {50: "", 99: "1/2000"}
#: Slots of the priority and the batch group together; stock Celery gets as many in its one worker.
SLOTS = 4


def measure(ground: Ground) -> list[Figure]:
    """Both in turn, ROUNDS times, on the same Redis; medians of the rounds' percentiles."""
    ours, stock = [], []
    with ground.up():
        for _ in range(ROUNDS):
            ours.append(_waits(ground, "ours"))
            with _stock_worker(ground):
                stock.append(_waits(ground, "stock"))
    return [_figure(percent, goal, ours, stock) for percent, goal in GOALS.items()]


def _figure(percent: int, goal: str, ours: list[list[float]], stock: list[list[float]]) -> Figure:
    mine, theirs = (median(percentile(waits, percent) for waits in rounds) for rounds in (ours, stock))
    return Figure(
        f"priority wait p{percent} under a batch flood",
        f"1/{theirs / mine:,.0f} of stock ({mine * 1000:.1f} ms against {theirs * 1000:,.0f} ms)",
        goal,
        f"{SLOTS} slots each, 600 tasks of 100 ms flooded, 60 urgent ones behind; median of {ROUNDS}",
    )


def _waits(ground: Ground, kind: str) -> list[float]:
    done = subprocess.run(
        [ground.project.python, "-m", "benchmarks.flood", kind],
        cwd=ground.project.root,
        env=ground.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    values: list[float] = json.loads(done.stdout.splitlines()[-1])
    return values


@contextmanager
def _stock_worker(ground: Ground) -> Iterator[None]:
    celery = (ground.project.python, "-m", "celery", "-A", "benchmarks.stock")
    log = ground.project.folder / "stock.log"
    with (
        log.open("w") as output,
        processes.started(
            (*celery, "worker", "-l", "INFO", f"-c{SLOTS}"), ground.project.root, ground.environment, output
        ),
    ):
        ground.wait_for(lambda: " ready." in log.read_text(), "the stock worker")
        yield
