"""`workers multi` with real nodes: started, looked at, restarted, killed, refused, rotated and stopped."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config.env import BASE_DIR
from tests.conftest import environment_on, until

GROUPS = ("priority", "batch")
OK, CRITICAL = (0,), (4,)
#: 78 where the configuration is wrong.
REFUSED = (1, 78)


@dataclass
class Nodes:
    """Two nodes, and the commands that an operator types."""

    folder: Path
    env: Mapping[str, str]

    def run(self, verb: str, *more: str, expected: tuple[int, ...] = OK, **variables: str) -> str:
        """What the command printed; fails where it does not end as expected."""
        folders = ("--pid-dir", self.folder, "--log-dir", self.folder)
        done = subprocess.run(
            [sys.executable, "-m", "workers", "multi", *folders, verb, *more],
            cwd=BASE_DIR,
            env={**self.env, "COLUMNS": "300", **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode in expected, done.stdout + done.stderr
        return done.stdout + done.stderr

    def make_log(self) -> None:
        """Have each node write a line."""
        command = (sys.executable, "-m", "celery", "-A", "config", "control", "rate_limit", "celery.accumulate", "9/m")
        subprocess.run(command, cwd=BASE_DIR, env=self.env, capture_output=True, check=True, timeout=60)

    def pid(self, group: str) -> int:
        """The number in its pid file."""
        return int((self.folder / f"{group}.pid").read_text())

    def lines(self, name: str) -> list[dict[str, Any]]:
        """What one of its logs holds; a line that is no JSON fails the test."""
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    def ready(self, name: str) -> bool:
        """Whether that log says that its node takes tasks."""
        return any(" ready." in line["event"] for line in self.lines(name))


@pytest.fixture(scope="module")
def nodes(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Started once; the tests go through a day of theirs in order, and end with none."""
    made = Nodes(tmp_path_factory.mktemp("multi"), environment_on(redis_server, 8))
    made.run("start", *GROUPS)
    for group in GROUPS:
        until(lambda group=group: made.ready(f"{group}.log"), "the node's readiness")  # type: ignore[misc]
    yield made
    for file in made.folder.glob("*.pid"):
        os.kill(int(file.read_text()), signal.SIGKILL)


def test_each_node_has_a_pid_file_and_a_log(nodes: Nodes) -> None:
    """The log holds the same lines as the journal would: standard error of a node is /dev/null."""
    assert sorted(file.name for file in nodes.folder.iterdir()) == [
        *("batch.log", "batch.pid", "priority.log", "priority.pid"),
    ]


def test_status_tells_who_runs_and_its_exit_code_says_so(nodes: Nodes) -> None:
    """Critical where a node does not run that should."""
    assert str(nodes.pid("batch")) in nodes.run("status", *GROUPS)
    assert "critical default: does not run" in nodes.run("status", expected=CRITICAL)


def test_a_start_of_what_runs_changes_nothing(nodes: Nodes) -> None:
    """It is how a dead node is started beside those that live."""
    before = nodes.pid("batch")
    assert f"batch runs already (pid {before})" in nodes.run("start", "batch")
    assert nodes.pid("batch") == before


def test_a_restart_of_one_group_leaves_the_other_alone(nodes: Nodes) -> None:
    """A pid tells."""
    before = {group: nodes.pid(group) for group in GROUPS}
    nodes.run("restart", "batch")
    assert nodes.pid("batch") != before["batch"]
    assert nodes.pid("priority") == before["priority"]


def test_what_the_check_refuses_stops_nothing(nodes: Nodes) -> None:
    """The new ones would not start, and the old ones would be gone."""
    before = nodes.pid("batch")
    assert "BROKER_URL" in nodes.run("restart", "batch", expected=REFUSED, BROKER_URL="http://broker")
    assert nodes.pid("batch") == before
    nodes.run("status", "batch")


def test_a_log_that_is_moved_away_is_begun_anew(nodes: Nodes) -> None:
    """So does logrotate; nobody has to tell the node, and no line is lost."""
    old, log = nodes.folder / "batch.log.1", nodes.folder / "batch.log"
    log.rename(old)
    nodes.make_log()
    until(log.exists, "a new log")
    assert any("New rate limit" in line["event"] for line in nodes.lines(log.name))
    assert nodes.ready(old.name)


def test_a_node_that_was_killed_is_critical_until_it_is_started(nodes: Nodes) -> None:
    """Nobody does that by itself: a weakness beside the units."""
    before = {group: nodes.pid(group) for group in GROUPS}
    os.kill(before["batch"], signal.SIGKILL)
    until(lambda: "no such node is process" in nodes.run("status", "batch", expected=CRITICAL), "its death to show")
    assert "which is no such node; removed" in nodes.run("start", *GROUPS)
    assert nodes.pid("batch") != before["batch"]
    assert nodes.pid("priority") == before["priority"]


def test_stopwait_leaves_neither_process_nor_pid_file(nodes: Nodes) -> None:
    """It returns when they have left."""
    pids = [nodes.pid(group) for group in GROUPS]
    nodes.run("stopwait", *GROUPS)
    assert not list(nodes.folder.glob("*.pid"))
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
