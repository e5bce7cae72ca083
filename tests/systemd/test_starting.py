"""How units start: all of them or one group by one command, and not at all where the configuration is wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from rehearsal.errors import RehearsalError
from tests.systemd.app import CURRENT, NAME, TARGET, App, group, unit, worker
from tests.systemd.ground import Ground
from tests.systemd.load import loaded
from tests.waiting import until

BATCH: Final = [worker("batch-1"), worker("batch-2")]
IO: Final = worker("io")
PRIORITY: Final = worker("priority")
#: What each host of a project would have enabled.
ENABLED: Final = (group("batch"), group("io"), unit("beat"), unit("relay"))
#: What this environment says of batch, laid over workers.yml.
SIZES: Final = f"{CURRENT}/environments/staging/sizes.yml"
LIMITS: Final = "soft_time_limit: 15, time_limit: 20"
#: The soft limit is not below the hard one.
WRONG: Final = "soft_time_limit: 25, time_limit: 20"


@contextmanager
def sizes(app: App, before: str, after: str) -> Iterator[None]:
    """A release whose topology says something else."""
    kept = app.host.read(SIZES)
    app.host.write(SIZES, kept.replace(before, after))
    try:
        yield
    finally:
        app.host.write(SIZES, kept)


@pytest.fixture
def enabled(ground: Ground) -> Iterator[App]:
    """A host on which two groups, beat and the relay belong to the project's target."""
    ground.app.systemctl("enable", *ENABLED)
    yield ground.app
    ground.app.systemctl("disable", *ENABLED)


def test_one_command_starts_restarts_and_stops_all_and_one_those_of_a_group(enabled: App) -> None:
    """With two instances, too; whoever is not of the group goes on."""
    every = [*BATCH, IO, unit("beat"), unit("relay")]
    enabled.start(TARGET)
    assert enabled.active(every)
    assert "workers.yml is sound" in enabled.journal(unit("check"))
    first = {each: enabled.pid(each) for each in every}
    enabled.systemctl("restart", group("batch"))
    changed = {each for each in every if enabled.pid(each) != first[each]}
    assert enabled.active(every)
    assert changed == set(BATCH)
    enabled.stop(group("batch"))
    enabled.wait_ended(*BATCH)
    assert enabled.active([IO, unit("beat"), unit("relay")])
    enabled.stop(TARGET)
    enabled.wait_ended(*every)
    assert enabled.systemctl("list-units", "--plain", "--no-legend", "--state=failed,deactivating", "celery-*") == ""


def test_a_wrong_file_stops_the_start_and_no_worker_that_runs(ground: Ground) -> None:
    """The checker's message stands where an operator looks; nothing is started again and again."""
    app = ground.app
    app.start(IO)
    running = app.pid(IO)
    with sizes(app, LIMITS, WRONG):
        with pytest.raises(RehearsalError):
            app.start(BATCH[0])
        status = app.status(BATCH[0])
        assert "batch.soft_time_limit (W10): " in status
        assert app.show(BATCH[0], "ActiveState") == "failed"
        assert app.show(BATCH[0], "NRestarts") == "0"
        with pytest.raises(RehearsalError):
            app.start(TARGET)
        assert "batch.soft_time_limit (W10): " in app.status(unit("check"))
        assert ground.call(("io", "answer", ["still there", 0])) == ["still there"]
    assert app.pid(IO) == running
    app.start(BATCH[0])


def test_a_crash_loop_slows_down_and_shows(ground: Ground) -> None:
    """A worker that dies at once is not started for ever at full speed, nor given up for good."""
    app = ground.app
    app.host.write(
        f"/run/systemd/system/{IO}.d/99-crash.conf", "[Service]\nExecStart=\nExecStart=/usr/bin/python3 -c 0/0\n"
    )
    try:
        app.systemctl("daemon-reload")
        app.systemctl("start", "--no-block", IO)
        until(lambda: int(app.show(IO, "NRestarts")) >= 3, lambda: app.status(IO), 30)
        assert app.show(IO, "ActiveState") == "activating"
        assert app.journal(IO).count("ZeroDivisionError") >= 3
        shown = {name: app.show(IO, name) for name in ("RestartUSec", "RestartMaxDelayUSec", "RestartSteps")}
        assert shown == {"RestartUSec": "1s", "RestartMaxDelayUSec": "1min", "RestartSteps": "6"}
        assert app.show(IO, "RestartUSecNext") not in ("", "1s")
    finally:
        app.host.run("rm", "-r", f"/run/systemd/system/{IO}.d")
        app.systemctl("daemon-reload")


def test_new_unit_files_disturb_no_running_task(ground: Ground, tmp_path: Path) -> None:
    """A stop's budget and a weight hold at once, for the tasks that run now; the process is the same."""
    app = ground.app
    app.start(PRIORITY)
    running = app.pid(PRIORITY)
    with loaded(ground, tmp_path) as load, sizes(app, "priority: {", "priority: {stop_timeout: 66, cpu_weight: 77, "):
        load.long("priority", 2)
        said = app.install()
        assert f"{PRIORITY}.d/50-topology.conf" in said
        assert app.show(PRIORITY, "TimeoutStopUSec") == "1min 6s"
        assert app.show(f"celery-{NAME}-priority.slice", "CPUWeight") == "77"
        load.end()
    assert app.pid(PRIORITY) == running
    app.install()
