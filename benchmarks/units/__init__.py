"""The units on a real host: how fast they start and stop, and what stock Celery's unit does in the same run."""

import shutil
from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.units import compared, ours, web
from benchmarks.units.stock import Stock
from rehearsal.requirements import what_is_missing
from tests.systemd import project
from tests.systemd.ground import Ground
from tests.template.rendering import ROOT

#: Restarts of ours, of stock's each way, and of the web.
RESTARTS, COMPARED, WEB = 200, 50, 100


def measure() -> Iterator[Figure]:
    """All of it, on a fleet of its own; needs root, and takes most of an hour."""
    if missing := what_is_missing():
        yield Figure("units", "left out", "", "; ".join(missing))
        return
    folder = ROOT / "build/bench/units"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Ground("bench-units", project.make(folder / "project"), folder) as ground:
        stock = Stock(ground, slots=2)
        stock.install()
        yield from compared.exposure(ground.app)
        yield from ours.speed(ground, folder)
        yield from compared.deafness(stock, folder)
        yield from compared.restarts(stock, folder, COMPARED)
        yield from ours.restarts(ground, folder, RESTARTS)
        yield from web.restarts(ground.app, WEB)
