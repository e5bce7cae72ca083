"""celery-multi-.service on a real host: it loses no task; and what it lacks beside a unit for each worker.

systemd/README.md names each weakness with the test here that shows it: whoever mends one will see its test go red.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.brokers.rabbitmq import until
from tests.delivery import results
from tests.project.probe import GROUPS
from tests.systemd.app import NAME, App, unit, worker
from tests.systemd.ground import Ground
from tests.systemd.load import Load, loaded

UNIT: Final = unit("multi")
PIDS, LOGS = f"/run/celery-multi-{NAME}", f"/var/log/celery-multi-{NAME}"
GROUP: Final = "priority"
#: Of the group.
SLOTS: Final = 2
#: Seconds; test_replace.py waits for a short task no longer.
WAIT: Final = 4.0
#: Groups whose tasks the sender knows, of every pool.
SENT: Final = tuple(group for group in GROUPS if group != "io")
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
    database.run("nft", "--file", "-", input=AWAY)
    try:
        standing.app.start(UNIT)
        active = standing.app.show(UNIT, "ActiveState")
    finally:
        database.run("nft", "delete", "table", "inet", "away")
    assert active == "active", "readiness is not known: systemd is content, and no node takes tasks"
    yield standing.app
    standing.app.quiet()


@pytest.fixture
def load(standing: Ground, app: App, tmp_path: Path) -> Iterator[Load]:
    """Tasks for every pool."""
    app.systemctl("reload-or-restart" if app.active([UNIT]) else "start", UNIT)
    with loaded(standing, tmp_path) as made:
        made.flow(*SENT)
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
    before = {group: _pid(app, group) for group in SENT if group != "batch"}
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


def test_groups_share_one_time_out_one_memory_and_no_watchdog(app: App) -> None:
    """A deaf node stays, a greedy group takes from all, and the slowest group decides how long a stop may take."""
    assert [app.show(UNIT, name) for name in ("WatchdogUSec", "MemoryMax", "TimeoutStopUSec")] == [
        "0",
        "infinity",
        "55s",
    ]
    assert app.show(worker(GROUP), "TimeoutStopUSec") == "45s"
    own = app.systemctl("cat", worker(GROUP))
    assert "WatchdogSec=60" in own
    assert "MemoryMax=" in own


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
