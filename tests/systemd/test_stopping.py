"""What ends a worker: nothing is lost, what had finished is not done again, and a stop keeps to its budget."""

import time
from pathlib import Path
from typing import Final

import pytest

from tests.systemd.app import TARGET, group, worker
from tests.systemd.ground import Ground
from tests.systemd.load import LIMITS, loaded
from tests.waiting import until

GROUP: Final = "priority"
WORKER: Final = worker(GROUP)
SLOTS: Final = 2
#: Seconds that a stop may take beyond the tasks that run; the unit's own budget is longer.
MARGIN: Final = 10


def test_a_stop_waits_for_tasks_as_long_as_the_hard_limit(ground: Ground, tmp_path: Path) -> None:
    """On every slot; it ends when they do, well within TimeoutStopSec, and is killed by nobody."""
    app = ground.app
    app.start(WORKER)
    with loaded(ground, tmp_path) as load:
        load.flow(GROUP)
        load.long(GROUP, SLOTS)
        began = time.monotonic()
        app.stop(WORKER)
        took = time.monotonic() - began
        assert (app.show(WORKER, "ActiveState"), app.show(WORKER, "Result")) == ("inactive", "success")
        assert len(load.ids("done", "long")) == SLOTS
        app.start(WORKER)
        load.end()
    assert took < LIMITS[GROUP] + MARGIN
    assert app.show(WORKER, "TimeoutStopUSec") == "40s"


@pytest.mark.parametrize("whom", ["main", "all"])
def test_a_signal_from_outside_loses_nothing(ground: Ground, tmp_path: Path, whom: str) -> None:
    """TERM by hand, to the main process or to every process of the control group; systemd starts it again."""
    app = ground.app
    app.start(WORKER)
    first = app.pid(WORKER)
    with loaded(ground, tmp_path) as load:
        load.flow(GROUP)
        load.long(GROUP, SLOTS)
        app.systemctl("kill", f"--kill-whom={whom}", WORKER)
        until(lambda: app.pid(WORKER) not in (0, first), lambda: app.status(WORKER), 60)
        app.wait(WORKER, "ActiveState", "active")
        load.end()
    assert app.show(WORKER, "NRestarts") == "1"


def test_a_reboot_loses_nothing_and_starts_what_was_enabled(ground: Ground, tmp_path: Path) -> None:
    """The host shuts down as the operator's reboot does: every unit gets its time; after it, the same ones run."""
    app = ground.app
    app.systemctl("enable", TARGET, group(GROUP))
    app.start(TARGET)
    first = app.host.cgroup.init()
    with loaded(ground, tmp_path) as load:
        load.flow(GROUP)
        load.long(GROUP, SLOTS)
        app.host.run("systemctl", "reboot", check=False)
        until(lambda: app.host.cgroup.init() not in (None, first), "the host to be back", 60)
        app.host.wait()
        assert len(load.ids("done", "long")) == SLOTS
        app.wait(WORKER, "ActiveState", "active")
        load.end()
    assert app.systemctl("list-units", "--plain", "--no-legend", "--state=failed,deactivating", "celery-*") == ""
    app.systemctl("disable", TARGET, group(GROUP))
