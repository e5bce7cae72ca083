"""The harness itself: it measures the stall there is, and none where there is none."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from tests.brokers import loopback
from tests.brokers.cluster import Cluster, Host
from tests.brokers.faults import Fault, goals
from tests.brokers.loopback import Loopback
from tests.brokers.measure import Ground, Outcome, measure
from tests.brokers.observers import project as observed
from tests.brokers.observers.events import Event, read
from tests.brokers.rows import Row
from tests.project.running import Project

#: Seconds the server is frozen: more than any goal but that of a blackout.
FROZEN = 6


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    """A Redis of the generated project's own packages."""
    project_server = observed.python().with_name("redis-server")
    with loopback.loopback(project_server, tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project whose clients are observed."""
    return observed.make(tmp_path_factory.mktemp("observed") / "project")


def row(outcome: Outcome) -> Row:
    """What the table makes of it."""
    return Row("redis", "kill", "leader", ours=[outcome.ours])


@pytest.fixture(scope="module")
def stalled(server: Loopback, project: Project, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A run in which the server freezes for FROZEN seconds, and stock Celery's worker never comes back."""
    freezing = loopback.frozen(server, FROZEN)

    def strike(cluster: Cluster, host: Host) -> None:
        _kill_stock_worker()
        freezing.strike(cluster, host)

    fault = Fault("kill", strike, freezing.mend, FROZEN, 5, goals(5, 5))
    return measure(Ground(server, project, tmp_path_factory.mktemp("stalled")), fault, "leader", "0")


def _kill_stock_worker() -> None:
    workers = [
        process
        for process in psutil.Process().children(recursive=True)
        if "tests.brokers.stock" in process.cmdline() and "main" in process.cmdline()
    ]
    assert workers
    for process in workers:
        process.kill()


def test_a_stall_of_every_client_is_measured(stalled: Outcome) -> None:
    """Publishing and consuming stop for as long as the server, tasks with a countdown are late by nearly as much."""
    ours = stalled.ours
    assert FROZEN - 0.5 < ours.publish.seconds < FROZEN + 2
    assert FROZEN - 0.5 < ours.consume.seconds < FROZEN + 2
    assert FROZEN - 2 < ours.late.seconds < FROZEN + 2
    assert ours.producer_start.seconds > 1
    assert ours.worker_start.seconds > 0.5
    assert not any(stall.stuck for stall in ours.stalls)
    assert ours.lost == 0


def test_a_stall_above_the_goal_fails_its_row(stalled: Outcome) -> None:
    """The table and the exit status come from the same words."""
    assert [miss.split()[0] for miss in row(stalled).misses()][:2] == ["publish", "consume"]


def test_a_client_that_never_comes_back_is_shown_as_stuck(stalled: Outcome) -> None:
    """Bounded by the row's window, and beside ours: stock's figures are of the same fault."""
    assert stalled.stock is not None
    assert stalled.stock.consume.stuck
    assert str(stalled.stock.consume).endswith("stuck")
    assert stalled.stock.consume.seconds > FROZEN
    assert FROZEN - 0.5 < stalled.stock.publish.seconds < FROZEN + 2


def test_without_a_fault_nothing_stalls(
    server: Loopback, project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What the machine itself costs stays well below every goal."""
    nothing = Fault("kill", lambda _cluster, _host: None, lambda _cluster, _host: None, 2, 10, goals(5, 5))
    outcome = measure(Ground(server, project, tmp_path_factory.mktemp("calm"), stock=False), nothing, "leader", "0")
    assert outcome.stock is None
    assert 0 <= outcome.pressure <= 1
    assert row(outcome).misses(bound=2.0) == []
    assert (outcome.ours.lost, outcome.ours.twice, outcome.ours.failed) == (0, 0, 0)


def test_half_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    """The harness reads while the observers write."""
    event = Event(1.0, "worker", "run", "now", "a", 0.0)
    line = json.dumps(asdict(event)) + "\n"
    file = tmp_path / "events.jsonl"
    assert read(file) == []
    file.write_text(line + line[:20], encoding="utf-8")
    assert read(file) == [event]
