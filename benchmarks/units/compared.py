"""Ours and stock Celery's unit, on one host and one Redis: what restarts lose, what a deaf worker costs, exposure."""

import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, spread
from benchmarks.units import stock
from benchmarks.units.stock import Stock
from tests.systemd.app import App, unit, worker
from tests.systemd.ground import Ground
from tests.systemd.load import Load, loaded
from tests.waiting import until

#: Seconds after which a task that has not run is lost: stock Redis gives back what a lost worker held after an hour.
SETTLED: Final = 30
#: Longer than systemd lets a stop take by default (90 s).
LONG: Final = 120
#: Seconds that a deaf worker is watched.
DEAF: Final = 240
GROUP: Final = "priority"
_DEAFEN: Final = f"""\
from config.env import select_settings
select_settings()
from config.celery import app
app.control.broadcast("deafen", pattern="{GROUP}@*", matcher="glob")
"""


def restarts(rival: Stock, folder: Path, times: int) -> Iterator[Figure]:
    """Stock's two ways to restart, and one stop with tasks longer than systemd's default."""
    app = rival.ground.app
    app.start(stock.NAME)
    restart = partial(app.systemctl, "restart", stock.NAME)
    yield _restarted(rival, folder, "systemctl restart", restart, times)
    yield _left(rival, "systemctl restart")
    app.start(stock.NAME)
    yield _cut_off(rival, folder)
    rival.clear()
    rival.multi("start")
    yield _restarted(rival, folder, "celery multi restart", partial(rival.multi, "restart"), times)
    yield _left(rival, "celery multi restart")


def deafness(rival: Stock, folder: Path) -> list[Figure]:
    """A consumer that is cancelled, on both at the same moment: until another process takes tasks."""
    app = rival.ground.app
    app.start(stock.NAME, worker(GROUP))
    until(lambda: rival.pid != 0, "stock's pid file")  # its unit is active before its worker is
    before = {"ours": app.pid(worker(GROUP)), "stock": rival.pid}
    with rival.loaded(folder) as theirs, loaded(rival.ground, folder) as load:
        theirs.flow("stock")
        load.flow(GROUP)
        began = time.monotonic()
        _deafen(rival.ground)
        rival.deafen()
        noticed = _watch(app, rival, before, began)
        load.end()
    app.stop(worker(GROUP))
    rival.clear()
    how = "its consumer gone, and nobody in the worker knows of it"
    return [Figure(f"a deaf worker is replaced, {side}", _after(noticed.get(side)), "", how) for side in before]


def exposure(app: App) -> list[Figure]:
    """What systemd thinks of each."""
    units = {"ours": worker(GROUP), "ours, celery multi": unit("multi"), "stock": stock.NAME}
    how = "systemd-analyze security"
    return [Figure(f"exposure, {side}", _exposure(app, name), "1.2", how) for side, name in units.items()]


def _restarted(rival: Stock, folder: Path, what: str, act: Callable[[], object], times: int) -> Figure:
    with rival.loaded(folder) as load:
        load.flow("stock")
        seconds = [_timed(act) for _ in range(times)]
        load.settle(SETTLED)
        return _verdict(load, f"stock, {times} x {what}, tasks of 0.1 s", spread(seconds, "s each"))


def _left(rival: Stock, what: str) -> Figure:
    """What runs after the last restart; then nothing of it does."""
    workers, running = rival.workers(), rival.pid
    rival.clear()
    return Figure(f"stock, main processes after {what}", str(len(workers)), "1", f"pid file: {running or 'none'}")


def _cut_off(rival: Stock, folder: Path) -> Figure:
    with rival.loaded(folder) as load:
        load.long("stock", rival.slots, LONG)
        seconds = _timed(partial(rival.ground.app.systemctl, "restart", stock.NAME, timeout=2 * LONG))
        load.settle(SETTLED)
        return _verdict(load, f"stock, a restart while tasks of {LONG} s run", f"{seconds:.0f} s")


def _verdict(load: Load, about: str, how: str) -> Figure:
    sent, lost, twice = len(load.ids("accepted")), len(load.open()), len(load.twice())
    return Figure(f"{about}: lost / done twice", f"{lost} / {twice} of {sent}", "", how)


def _timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def _deafen(ground: Ground) -> None:
    """By tests/systemd/probe/ailing.py."""
    ground.controller.run(ground.links, "-c", _DEAFEN)


def _watch(app: App, rival: Stock, before: dict[str, int], began: float) -> dict[str, float]:
    """Seconds until each was replaced by another process; nothing for one that was not."""
    noticed: dict[str, float] = {}
    while time.monotonic() - began < DEAF:
        now = {"ours": app.pid(worker(GROUP)), "stock": rival.pid}
        for side, pid in now.items():
            if side not in noticed and pid not in (0, before[side]):
                noticed[side] = time.monotonic() - began
        if "ours" in noticed and time.monotonic() - began > DEAF / 2:
            break
        time.sleep(1)
    return noticed


def _after(seconds: float | None) -> str:
    return f"not within {DEAF / 2:.0f} s" if seconds is None else f"after {seconds:.0f} s"


def _exposure(app: App, name: str) -> str:
    printed = app.host.run("systemd-analyze", "security", "--no-pager", name, check=False).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", printed)
    return found[1] if found else "unknown"
