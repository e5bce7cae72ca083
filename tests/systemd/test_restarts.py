"""Restarts under load, a few: `make bench MEASURES=units` does 200 of them."""

from pathlib import Path
from typing import Final

from tests.systemd.app import worker
from tests.systemd.ground import Ground
from tests.systemd.load import loaded
from tests.systemd.restarts import at_rest, restart

GROUP: Final = "priority"
SLOTS: Final = 2
TIMES: Final = 3


def test_restarts_under_load_lose_nothing_and_leave_nothing(ground: Ground, tmp_path: Path) -> None:
    """Neither a task, nor a process, a socket, a pid file, a queue or a control queue."""
    ground.app.start(worker(GROUP))
    with loaded(ground, tmp_path) as load:
        before = at_rest(ground, load, GROUP, SLOTS)
    with loaded(ground, tmp_path) as load:
        load.flow(GROUP)
        restart(ground.app, worker(GROUP), TIMES)
        after = at_rest(ground, load, GROUP, SLOTS)
    assert after.differ(before) == {}
