"""A task that takes all memory: the kernel ends its process, and nothing else of the group."""

from pathlib import Path
from typing import Final

from tests.delivery.ledger import Reader
from tests.delivery.memory import Limit
from tests.systemd.app import worker
from tests.systemd.ground import Ground
from tests.systemd.load import loaded
from tests.waiting import until

GROUP: Final = "priority"
WORKER: Final = worker(GROUP)
#: MiB beside what the worker has when it begins to be limited.
ROOM: Final = 200


def test_a_greedy_child_is_killed_alone(ground: Ground, tmp_path: Path) -> None:
    """OOMPolicy=continue; its task is done at the second try, and the others are not disturbed."""
    app = ground.app
    app.start(WORKER)
    first = app.pid(WORKER)
    reader = Reader(app.reader.file)
    limit = Limit(app.host, WORKER, ROOM)
    limit.set()
    try:
        with loaded(ground, tmp_path) as load:
            load.flow(GROUP)
            ground.call((GROUP, "fall", ["greedy", 0, "memory"]))
            until(
                lambda: any(entry.id == "greedy" and entry.what == "done" for entry in reader.new()),
                "its second run",
                60,
            )
            load.end()
        assert limit.killed == 1
    finally:
        limit.lift()
    assert app.pid(WORKER) == first
    assert (app.show(WORKER, "OOMPolicy"), app.show(WORKER, "NRestarts")) == ("continue", "0")


def test_the_limits_of_workers_yml_are_the_units(ground: Ground) -> None:
    """Hosts here have no memory controller: what systemd would set is compared with what was meant."""
    shown = [ground.app.show(worker("batch-1"), name) for name in ("MemoryHigh", "MemoryMax", "CPUWeight")]
    assert shown[:2] == [str(1920 * 120 // 100 * 2**20), str(1920 * 125 // 100 * 2**20)]
    assert ground.app.show("celery-observed-batch.slice", "CPUWeight") == "40"
