"""Every task belongs to one group: a disagreement is found before a worker starts."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.workers.sample import SOUND, loaded
from workers.process import _node_name
from workers.topology import Topology
from workers.topology.tasks import check_tasks


@dataclass
class _Task:
    soft_time_limit: float | None = None
    time_limit: float | None = None


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    """The sound topology."""
    return loaded(tmp_path, SOUND)


def _tasks(**more: _Task) -> dict[str, _Task]:
    names = ("app.default.mail", "app.batch.report", "app.io.call", "celery.backend_cleanup")
    return {name: _Task() for name in names} | {name.replace("__", "."): task for name, task in more.items()}


def _said(topology: Topology, tasks: dict[str, _Task]) -> list[str]:
    return [str(problem) for problem in check_tasks(topology, tasks)]


def test_tasks_that_match_their_groups_are_not_refused(topology: Topology) -> None:
    """The base case."""
    assert _said(topology, _tasks()) == []


def test_a_task_of_no_group_is_refused(topology: Topology) -> None:
    """Nobody would run it."""
    assert _said(topology, _tasks(other__mail=_Task())) == [
        "groups (W25): no group claims the task other.mail; add it, or the pattern other.*, to the `tasks` of one of: default, batch, io"
    ]


def test_a_pattern_without_a_task_is_refused(topology: Topology) -> None:
    """Most often it is misspelt, and its tasks go elsewhere."""
    tasks = _tasks()
    del tasks["app.io.call"]
    assert _said(topology, tasks) == ["io.tasks.0 (W24): no task matches app.io.*; correct it or remove it"]


def test_a_task_with_a_limit_above_its_groups_is_refused(topology: Topology) -> None:
    """The stop time-out is reckoned from the group's limit."""
    assert _said(topology, _tasks(app__default__slow=_Task(time_limit=60))) == [
        "default.time_limit (W26): the task app.default.slow sets time_limit 60 and its group default allows 40: stops and redeliveries are reckoned from the group's; lower the task's, or move it to a group for longer tasks"
    ]


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["celery", "-A", "config", "worker", "-n", "batch@%h"], "batch@%h"),
        (["celery", "-A", "config", "worker", "--hostname=io@web1"], "io@web1"),
        (["celery", "-A", "config", "worker"], None),
        (["celery", "-A", "config", "beat"], None),
        (["gunicorn", "-n", "batch"], None),
    ],
)
def test_a_worker_is_known_by_its_node_name(argv: list[str], name: str | None) -> None:
    """Units, `celery multi` and a person all set it."""
    assert _node_name(argv) == name
