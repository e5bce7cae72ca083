"""`workers replace` and `workers drain` on a real host, under load: nothing lost, nothing twice, never nobody."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.systemd.app import CURRENT, NAME, PYTHON, App, worker
from tests.systemd.ground import Ground
from tests.systemd.load import Load, loaded
from tests.waiting import until

GROUP: Final = "default"
SPARE: Final = worker(f"{GROUP}-spare")
#: Of the group, and a start of a worker; seconds that a short task may wait at most while its group is replaced.
SLOTS, WAIT = 2, 4.0
BROKEN: Final = "/usr/bin/python3 -c 'raise SystemExit(\"no disk\")'"
DROP_IN: Final = "/run/systemd/system/{unit}.d/90-test.conf"


@pytest.fixture(scope="module")
def quieted(standing: Ground) -> Iterator[App]:
    """The host, which has no worker any more once these tests are over."""
    yield standing.app
    standing.app.quiet()


@pytest.fixture
def app(quieted: App) -> App:
    """The host with a worker of the group, whatever the test before has left."""
    quieted.start(worker(GROUP))
    return quieted


@pytest.fixture
def load(standing: Ground, app: App, tmp_path: Path) -> Iterator[Load]:
    """Tasks for it."""
    assert app.pid(worker(GROUP)), "nobody would take the first one"
    with loaded(standing, tmp_path) as made:
        made.flow(GROUP)
        yield made


def test_short_tasks_are_picked_up_all_the_while(app: App, load: Load) -> None:
    """A task as long as the hard limit is on every slot of the old worker."""
    before = app.pid(worker(GROUP))
    load.long(GROUP, SLOTS)
    said = app.workers("replace", GROUP).stdout
    ended = time.time()
    assert app.pid(worker(GROUP)) not in (0, before)
    ready = ended - _seconds(said, f"{SPARE}  finishes") + _seconds(said, f"{SPARE}  is ready")
    assert load.longest_pause(GROUP, ready, ended) < WAIT, said
    assert "2 tasks run" in said, "the status lines of the one that drains"
    load.end()
    app.wait(SPARE, "ActiveState", "inactive")
    assert (app.show(SPARE, "Result"), app.show(worker(GROUP), "NRestarts")) == ("success", "0")


def test_what_would_not_run_touches_nothing(app: App) -> None:
    """A wrong workers.yml, a wrong environment: the check's words, and the same process as before."""
    before = app.pid(worker(GROUP))
    for file, wrong, words in (
        (f"{CURRENT}/workers.yml", "s/soft_time_limit: 840/soft_time_limit: 940/", "(W10)"),
        (f"/etc/{NAME}/environment", "/^ALLOWED_HOSTS=/d", "ALLOWED_HOSTS"),
    ):
        with _changed(app, file, wrong):
            refused = app.workers("replace", GROUP, check=False)
        assert refused.returncode == 1, refused.stdout
        assert words in refused.stderr
    assert (app.pid(worker(GROUP)), app.show(SPARE, "ActiveState")) == (before, "inactive")


def test_a_spare_that_does_not_start_leaves_the_old_one(app: App) -> None:
    """It says so, with the spare's own words."""
    before = app.pid(worker(GROUP))
    with _dropped_in(
        app, SPARE, "[Service]\nExecStart=\nExecStart=/usr/bin/python3 -c 'raise SystemExit(\"no disk\")'\n"
    ):
        failed = app.workers("replace", GROUP, check=False)
    assert failed.returncode == 1
    assert f"the old workers run on: {worker(GROUP)}" in failed.stderr
    assert "no disk" in failed.stderr
    assert (app.pid(worker(GROUP)), app.show(SPARE, "ActiveState")) == (before, "inactive")


def test_a_drain_waits_for_the_longest_task_and_says_what_it_waits_for(app: App, load: Load) -> None:
    """Exit code 0: it has left by itself, and nothing of it is left."""
    load.long(GROUP, SLOTS)
    said = app.workers("drain", GROUP).stdout
    assert len(load.ids("done", "long")) == SLOTS, app.journal(worker(GROUP))
    assert "2 tasks run, the oldest for" in said
    assert f"{worker(GROUP)}  has left" in said
    assert (app.show(worker(GROUP), "ActiveState"), app.show(worker(GROUP), "MainPID")) == ("inactive", "0")
    app.start(worker(GROUP))  # for the short ones that it has left
    load.end()


def test_somebody_without_rights_is_told_what_to_do(app: App) -> None:
    """And nothing is stopped."""
    asked = ("env", f"--chdir={CURRENT}", "ENVIRONMENT=staging", PYTHON, "-m", "workers", "drain", GROUP)
    refused = app.host.run("runuser", "-u", NAME, "--", *asked, check=False)
    assert refused.returncode == 1
    assert "run this as root, or have polkit allow it" in refused.stderr
    assert app.show(worker(GROUP), "ActiveState") == "active"


def test_a_second_replacement_is_refused(app: App) -> None:
    """It would stop the first one's spare."""
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(app.workers, "replace", GROUP)
        until(lambda: app.show(SPARE, "ActiveState") == "activating", "the spare's start", 60)
        second = app.workers("replace", GROUP, check=False)
        assert "being replaced already; nothing was touched" in second.stderr
        assert first.result().returncode == 0


def test_a_drain_that_had_to_kill_is_a_failure(app: App, load: Load) -> None:
    """Whoever switches the host off after a 0 would lose what the kill has cut short."""
    with _dropped_in(app, worker(GROUP), "[Service]\nTimeoutStopSec=2\n"):
        load.long(GROUP, SLOTS)
        done = app.workers("drain", GROUP, check=False)
    assert done.returncode == 1
    assert f"{worker(GROUP)} (timeout) did not leave by itself" in done.stderr


@contextmanager
def _changed(app: App, file: str, script: str) -> Iterator[None]:
    """A file as sed makes it, until the end of the block."""
    before = app.host.read(file)
    app.host.run("sed", "--in-place", "--follow-symlinks", script, file)
    try:
        assert app.host.read(file) != before, script
        yield
    finally:
        app.host.run("tee", file, input=before)


@contextmanager
def _dropped_in(app: App, unit: str, text: str) -> Iterator[None]:
    """A unit with a drop-in more, until the end of the block."""
    file = DROP_IN.format(unit=unit)
    app.host.write(file, text)
    app.systemctl("daemon-reload")
    try:
        yield
    finally:
        app.host.run("rm", file)
        app.systemctl("daemon-reload")


def _seconds(said: str, line: str) -> float:
    """When a line was printed, in seconds since the command's beginning."""
    found = re.search(rf"(?m)^ *([\d.]+) s +{re.escape(line)}", said)
    assert found, said
    return float(found[1])
