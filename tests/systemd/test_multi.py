"""celery-multi-.service on a real host: it loses no task; and what it lacks beside a unit for each worker.

systemd/README.md names each weakness with the test here that shows it: whoever mends one will see its test go red.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.delivery import results
from tests.systemd.app import NAME, PYTHON, App, unit, worker
from tests.systemd.ground import Ground
from tests.systemd.load import Load, loaded
from tests.waiting import until

UNIT: Final = unit("multi")
PIDS, LOGS = f"/run/celery-multi-{NAME}", f"/var/log/celery-multi-{NAME}"
GROUP: Final = "priority"
#: Of the group.
SLOTS: Final = 2
#: Seconds; test_replace.py waits for a short task no longer.
WAIT: Final = 4.0
#: Of every kind of pool but spawn: a node takes 4 s of a core to start, one after the other.
GROUPS: Final = ("default", GROUP, "io", "green")
FEW: Final = f"""\
[Service]
ExecStart=
ExecStart={PYTHON} -m workers multi start {" ".join(GROUPS)}
ExecReload=
ExecReload={PYTHON} -m workers multi start {" ".join(GROUPS)}
"""
DROP_IN: Final = f"/run/systemd/system/{UNIT}.d/90-test.conf"
CRITICAL: Final = 4
AWAY: Final = f"""\
add table inet away
add chain inet away input {{ type filter hook input priority 0; }}
add rule inet away input tcp dport {results.PORT} drop
"""


@pytest.fixture(scope="module")
def app(standing: Ground) -> Iterator[App]:
    """The unit, started once while the broker was away."""
    database = standing.database.host
    standing.app.host.write(DROP_IN, FEW)
    standing.app.systemctl("daemon-reload")
    database.run("nft", "--file", "-", input=AWAY)
    try:
        standing.app.start(UNIT)
        active = standing.app.show(UNIT, "ActiveState")
    finally:
        database.run("nft", "delete", "table", "inet", "away")
    assert active == "active", "readiness is not known: systemd is content, and no node takes tasks"
    yield standing.app
    standing.app.quiet()
    standing.app.host.run("rm", DROP_IN)
    standing.app.systemctl("daemon-reload")


@pytest.fixture
def load(standing: Ground, app: App, tmp_path: Path) -> Iterator[Load]:
    """Tasks for every pool."""
    app.systemctl("reload-or-restart" if app.active([UNIT]) else "start", UNIT)
    with loaded(standing, tmp_path) as made:
        made.flow(*GROUPS)
        yield made


def test_readiness_is_not_known(app: App) -> None:
    """The fixture has seen it: started while nobody could take a task. A worker's unit would still be starting."""
    assert (app.show(UNIT, "Type"), app.show(worker(GROUP), "Type")) == ("forking", "notify")


def test_logs_are_files(app: App, load: Load) -> None:
    """The journal has not a line of a task, nor `systemctl status` a word of what a node does."""
    load.end()
    assert "task_succeeded" in app.host.read(f"{LOGS}/{GROUP}.log")
    assert "task_succeeded" not in app.journal(UNIT)
    assert app.show(UNIT, "StatusText") == ""


def test_one_group_is_restarted_within_the_unit_and_loses_nothing(app: App, load: Load) -> None:
    """By an operator's shell, which has neither the unit's user nor its sandbox nor its secrets."""
    before = {group: _pid(app, group) for group in GROUPS}
    load.long(GROUP, SLOTS)
    began = time.time()
    app.workers("multi", "restart", GROUP)
    ended = time.time()
    after = {group: _pid(app, group) for group in before}
    assert [group for group in before if before[group] != after[group]] == [GROUP]
    assert f"/{UNIT}" in app.host.read(f"/proc/{after[GROUP]}/cgroup")
    assert app.host.run("ps", "-o", "user=", "-p", str(after[GROUP])).stdout.strip() == NAME
    assert load.longest_pause(GROUP, began, ended) > WAIT, "no spare: `workers replace` does better"
    load.end()


def test_nobody_starts_a_node_that_died(app: App) -> None:
    """As long as another one lives, the unit is active. `systemctl reload` starts it."""
    app.host.run("kill", "-KILL", str(_pid(app, GROUP)))
    until(lambda: _status(app) == CRITICAL, "the death to show")
    assert (app.show(UNIT, "ActiveState"), app.show(UNIT, "NRestarts")) == ("active", "0")
    app.systemctl("reload", UNIT)
    assert _status(app) == 0


def test_the_last_nodes_are_stopped_by_systemctl(app: App) -> None:
    """A service without a process has ended, and is started again."""
    refused = app.workers("multi", "stopwait", check=False)
    assert refused.returncode == 1
    assert f"systemctl stop {UNIT}" in refused.stderr
    assert _status(app) == 0


def test_groups_share_one_time_out_one_memory_and_no_watchdog(app: App) -> None:
    """A deaf node stays, a greedy group takes from all, and the slowest group decides how long a stop may take."""
    assert (app.show(UNIT, "WatchdogUSec"), app.show(UNIT, "MemoryMax")) == ("0", "infinity")
    slowest, own = (app.show(worker(name), "TimeoutStopUSec") for name in ("batch-1", GROUP))
    assert app.show(UNIT, "TimeoutStopUSec") == slowest != own
    written = app.systemctl("cat", worker(GROUP))
    assert "WatchdogSec=60" in written
    assert "MemoryMax=" in written


def test_a_stop_waits_for_the_longest_task_of_every_pool(app: App, load: Load) -> None:
    """Lost 0, twice 0; neither a process nor a pid file is left."""
    for group in ("default", GROUP, "green"):
        load.long(group, 1)
    load.hush()
    assert load.open()
    app.stop(UNIT)
    load.end()
    assert (app.show(UNIT, "ActiveState"), app.show(UNIT, "Result")) == ("inactive", "success")
    assert app.host.run("test", "-e", PIDS, check=False).returncode == 1
    assert app.host.run("pgrep", "-u", NAME, check=False).stdout == ""


def _pid(app: App, node: str) -> int:
    return int(app.host.read(f"{PIDS}/{node}.pid"))


def _status(app: App) -> int:
    return app.workers("multi", "status", GROUP, check=False).returncode
