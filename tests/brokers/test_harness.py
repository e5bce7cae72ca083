"""The harness itself: it measures the stall there is, and none where there is none."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
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
from tests.project.running import Project, wait_for

#: Seconds the server is frozen: more than any goal but that of a blackout.
FROZEN = 6


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    """A Redis on this machine."""
    with loopback.loopback(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project whose clients are observed."""
    return observed.make(tmp_path_factory.mktemp("observed") / "project")


def row(outcome: Outcome) -> Row:
    """What the table makes of it."""
    return Row("redis", "kill", "leader", ours=[outcome.ours])


@dataclass(frozen=True)
class Frozen:
    """What was measured while the server was frozen, and for how long it was."""

    outcome: Outcome
    seconds: float


@pytest.fixture(scope="module")
def stalled(server: Loopback, project: Project, tmp_path_factory: pytest.TempPathFactory) -> Frozen:
    """A run in which the server freezes until what starts meanwhile has waited for FROZEN seconds.

    Stock Celery's worker is killed in it, and so never comes back.
    """
    folder = tmp_path_factory.mktemp("stalled")
    lasted: list[float] = []

    def strike(_cluster: Cluster, _host: Host) -> None:
        _kill_stock_worker()
        began = time.monotonic()
        with server.frozen():
            wait_for(lambda: {"worker-1", "producer-1"} <= _loaded(folder / "0/ours/events.jsonl"), "both to be loaded")
            time.sleep(FROZEN)
        lasted.append(time.monotonic() - began)

    fault = Fault("kill", strike, lambda _cluster, _host: None, 0, 5, goals(5, 5))
    return Frozen(measure(Ground(server, project, folder), fault, "leader", "0"), lasted[0])


def _kill_stock_worker() -> None:
    workers = [
        process
        for process in psutil.Process().children(recursive=True)
        if "tests.brokers.stock" in process.cmdline() and "main" in process.cmdline()
    ]
    assert workers
    for process in workers:
        process.kill()


def _loaded(events: Path) -> set[str]:
    return {event.by for event in read(events) if event.what == "up"}


def test_a_stall_of_every_client_is_measured(stalled: Frozen) -> None:
    """Publishing and consuming stop for as long as the server, tasks with a countdown are late by up to as much."""
    ours = stalled.outcome.ours
    assert ours.publish.seconds == pytest.approx(stalled.seconds, abs=1)
    assert ours.consume.seconds == pytest.approx(stalled.seconds, abs=1)
    assert ours.late.seconds == pytest.approx(stalled.seconds, abs=1)
    assert FROZEN - 2 < ours.producer_start.seconds < stalled.seconds + 1
    assert FROZEN - 2 < ours.worker_start.seconds < stalled.seconds + 1
    assert not any(stall.stuck for stall in ours.stalls)
    assert ours.lost == 0


def test_a_stall_above_the_goal_fails_its_row(stalled: Frozen) -> None:
    """The table and the exit status come from the same words."""
    assert [miss.split()[0] for miss in row(stalled.outcome).misses()][:2] == ["publish", "consume"]


def test_a_client_that_never_comes_back_is_shown_as_stuck(stalled: Frozen) -> None:
    """Bounded by the row's window, and beside ours: stock's figures are of the same fault."""
    stock = stalled.outcome.stock
    assert stock is not None
    assert str(stock.consume).endswith("stuck")
    assert stock.consume.seconds > FROZEN
    assert stock.publish.seconds == pytest.approx(stalled.seconds, abs=1)


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
