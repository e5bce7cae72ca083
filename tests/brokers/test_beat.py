"""Two schedulers on real hosts: whatever is lost, the next tick comes within 15 s, and no slot is sent twice."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import pytest

from rehearsal.requirements import what_is_missing
from tests.brokers.beat import Ground, RabbitBeside, RedisBeside, make, message_id, sent, silence, unaccounted

#: Seconds from a fault to the next tick, or from its end where nobody could tick meanwhile.
PROMISED = 15
#: How often each fault is caused; more by hand: BEAT_FAULTS=5.
TIMES = int(os.environ.get("BEAT_FAULTS", "1"))
#: Seconds the database is out of reach: longer than the lease.
WITHOUT_DATABASE = 12

pytestmark = pytest.mark.timeout(120 + 120 * TIMES)


KINDS: dict[str, type[RabbitBeside | RedisBeside]] = {"rabbitmq": RabbitBeside, "redis": RedisBeside}
#: Whatever happens to the schedulers and their database, the broker has no part in it.
on_one_broker = pytest.mark.parametrize("ground", ["rabbitmq"], indirect=True)
on_each_broker = pytest.mark.parametrize("ground", list(KINDS), indirect=True)


@pytest.fixture(scope="module")
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Two hosts with a scheduler each, one with PostgreSQL, three with brokers; an entry is due every second."""
    if missing := what_is_missing():
        pytest.skip("; ".join(missing))
    folder = tmp_path_factory.mktemp("beat")
    with Ground(f"bt-{request.param}", KINDS[request.param], make(folder), folder) as made:
        yield made


@pytest.fixture
def figures(ground: Ground, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[str, list[float]], None]]:
    """Prints what a fault cost, and sees afterwards that no slot was sent twice and each is accounted for."""
    ground.wait_for_both()
    ground.drained()
    began = time.time()

    def figure(fault: str, seconds: list[float]) -> None:
        with capsys.disabled():
            sys.stdout.write(
                f"\n{ground.cluster.broker}, {fault}: next tick after {median(seconds):.1f} s (median), "
                f"{max(seconds):.1f} s (longest of {len(seconds)})\n"
            )
        assert max(seconds) <= PROMISED

    yield figure
    ground.wait_for_both()
    ticks = ground.ticks(began + 1)
    messages = Counter(ground.drained())
    assert [each for each, times in messages.items() if times > 1] == []
    assert unaccounted(ticks) == set()
    lost = [tick for tick in ticks if tick.state in ("sent", "late") and message_id(tick.due) not in messages]
    assert lost == []
    not_sent = [tick for tick in ticks if tick.state == "missed" and message_id(tick.due) in messages]
    assert not_sent == []
    with capsys.disabled():
        states = dict(Counter(tick.state for tick in ticks))
        missed = sum(tick.count for tick in ticks if tick.state == "missed")
        sys.stdout.write(f"  records: {states}; seconds missed: {missed}; slots sent twice: 0\n")


def _cost(ground: Ground, strike: Callable[[], object], undo: Callable[[], object], seconds: float = 0.0) -> float:
    """Strike in the middle of a second, wait for ticks, undo; the seconds without a tick."""
    time.sleep(1.5 - time.time() % 1)
    began = time.time()
    strike()
    time.sleep(seconds)
    ground.wait_for_ticks(2, began + seconds)
    cost = silence(ground.ticks(began - 5), began)
    undo()
    ground.wait_for_both()
    return cost


@on_one_broker
def test_the_leader_is_killed(ground: Ground, figures: Callable[[str, list[float]], None]) -> None:
    """Its unit starts it again after a second: one of the two goes on when the lease is over."""
    figures("leader killed", [_cost(ground, lambda: ground.active().kill("beat"), _nothing) for _ in range(TIMES)])


@on_one_broker
def test_the_leaders_host_loses_its_power(ground: Ground, figures: Callable[[str, list[float]], None]) -> None:
    """Its connections stay open for the database, which hears no goodbye."""
    costs = []
    for _ in range(TIMES):
        host = ground.active()
        costs.append(_cost(ground, host.power_off, host.boot))
    figures("leader's power lost", costs)


@on_one_broker
def test_the_leader_is_cut_from_the_database(ground: Ground, figures: Callable[[str, list[float]], None]) -> None:
    """It reaches the broker and must not send: the other one does."""
    costs = []
    for _ in range(TIMES):
        host = ground.active()
        costs.append(_cost(ground, partial(ground.fleet.partition, [host.name], ["db"]), ground.fleet.heal))
        assert ground.active().name != host.name
    figures("leader cut from the database", costs)


@on_one_broker
def test_a_stopped_leader_hands_over(ground: Ground, figures: Callable[[str, list[float]], None]) -> None:
    """A release restarts one after the other."""
    costs = []
    for _ in range(TIMES):
        host = ground.active()
        stop, start = (partial(host.run, "systemctl", verb, "beat") for verb in ("stop", "start"))
        costs.append(_cost(ground, stop, start))
    figures("leader stopped", costs)
    assert max(costs) < 5


@on_one_broker
@pytest.mark.parametrize("how", ["cut", "restarted"])
def test_the_database_is_lost_and_back(ground: Ground, figures: Callable[[str, list[float]], None], how: str) -> None:
    """Nobody can claim a slot without it; 15 s count from its return."""
    costs = []
    for _ in range(TIMES):
        time.sleep(1.5 - time.time() % 1)
        if how == "cut":
            ground.database.cut()
            time.sleep(WITHOUT_DATABASE)
            back = time.time()
            ground.database.mend()
        else:
            ground.database.run("systemctl", "restart", "postgresql", timeout=60)
            back = time.time()
        ground.wait_for_ticks(2, back)
        costs.append(sent(ground.ticks(back))[0] - back)
        ground.wait_for_both()
    figures(f"database {how}, from its return", costs)


@on_each_broker
@pytest.mark.parametrize("fault", ["power", "kill"])
def test_the_broker_fails_over(ground: Ground, figures: Callable[[str, list[float]], None], fault: str) -> None:
    """The host that leads the queues (Redis: the primary) is lost."""
    costs = []
    for _ in range(TIMES):
        ground.cluster.wait_healthy()
        ground.cluster.lead(ground.cluster.hosts[0])
        host = ground.cluster.hosts[0]
        if fault == "power":
            costs.append(_cost(ground, host.power_off, host.boot))
        else:
            unit = ground.cluster.unit
            costs.append(_cost(ground, partial(host.kill, unit), partial(host.run, "systemctl", "start", unit)))
        ground.cluster.wait_healthy(120)
    figures(f"broker's {'power lost' if fault == 'power' else 'leader killed'}", costs)


@on_one_broker
def test_missed_runs_are_reported(ground: Ground) -> None:
    """With both schedulers gone for a while, the command tells it by its exit code."""
    for host in ground.beats:
        host.run("systemctl", "stop", "beat")
    gone = time.time()
    status = ground.run("-m", "workers", "beat", "status")
    assert status.returncode == 4
    assert "none is active" in status.stdout
    time.sleep(3)
    for host in ground.beats:
        host.run("systemctl", "start", "beat")
    ground.wait_for_ticks(2, time.time())
    [missed, *_] = [tick for tick in ground.ticks(gone) if tick.state == "missed"]
    assert missed.count >= 2
    reported = ground.run("-m", "workers", "beat", "missed", "--hours", "1")
    assert reported.returncode == 4
    assert "no scheduler was active" in reported.stdout


def _nothing() -> None:
    pass
