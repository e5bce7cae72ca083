"""Two schedulers on real hosts: whatever is lost, the next tick comes within 15 s, and no slot is sent twice.

The short cut of CI causes a few faults once; BEAT_FAULTS=5 causes every fault five times.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Final

import pytest

from rehearsal.host import Host
from rehearsal.requirements import what_is_missing
from tests.brokers.beat import Ground, make, message_id, sent, silence, unaccounted
from tests.deployed.beside import Beside, RabbitBeside, RedisBeside

#: Seconds from a fault to the next tick, or from its end where nobody could tick meanwhile.
PROMISED: Final = 15
#: Seconds until the other scheduler ticks after a stop.
HANDED_OVER: Final = 5
#: Seconds the database is out of reach: longer than the lease.
WITHOUT_DATABASE: Final = 12
#: Seconds nobody schedules, for runs to be missed.
WITHOUT_SCHEDULERS: Final = 3

KINDS: Final[dict[str, type[Beside]]] = {"rabbitmq": RabbitBeside, "redis": RedisBeside}


def _killed(ground: Ground) -> float:
    """The leader's process; its unit starts it again after a second."""
    return _silence(ground, partial(ground.active().kill, "beat"))


def _power_lost(ground: Ground) -> float:
    """The leader's host; its connections stay open for the database, which hears no goodbye."""
    host = ground.active()
    return _silence(ground, host.power_off, host.boot)


def _cut_off(ground: Ground) -> float:
    """The leader from the database: it reaches the broker and must not send; the other one does."""
    leader = ground.active()
    cost = _silence(ground, partial(ground.fleet.partition, [leader.name], ["db"]), ground.fleet.heal)
    assert ground.active().name != leader.name
    return cost


def _stopped(ground: Ground) -> float:
    """The leader, as a release does it."""
    stop, start = (partial(ground.active().run, "systemctl", verb, "beat") for verb in ("stop", "start"))
    cost = _silence(ground, stop, start)
    assert cost < HANDED_OVER
    return cost


def _database_cut(ground: Ground) -> float:
    """Nobody can claim a slot meanwhile: counted from its return."""
    ground.database.cut()
    time.sleep(WITHOUT_DATABASE)
    return _from_now(ground, ground.database.mend)


def _database_restarted(ground: Ground) -> float:
    """Every connection is reset; counted from its return."""
    return _from_now(ground, partial(ground.database.run, "systemctl", "restart", "postgresql", timeout=60))


def _broker_power_lost(ground: Ground) -> float:
    """The host that leads the queues (Redis: the primary)."""
    host = _leading(ground)
    return _silence(ground, host.power_off, host.boot)


def _broker_killed(ground: Ground) -> float:
    """The process that leads the queues (Redis: the primary)."""
    host, unit = _leading(ground), ground.cluster.unit
    return _silence(ground, partial(host.kill, unit), partial(host.run, "systemctl", "start", unit, timeout=60))


FAULTS: Final[dict[str, Callable[[Ground], float]]] = {
    "leader killed": _killed,
    "leader's power lost": _power_lost,
    "leader cut from the database": _cut_off,
    "leader stopped": _stopped,
    "database cut for 12 s, from its return": _database_cut,
    "database restarted, from its return": _database_restarted,
    "broker's power lost": _broker_power_lost,
    "broker killed": _broker_killed,
}
#: The schedulers and their database are as they are, whatever carries the messages: tried beside RabbitMQ only.
BESIDE_RABBITMQ: Final = tuple(FAULTS)
BESIDE_REDIS: Final = tuple(name for name in FAULTS if name.startswith("broker"))
SHORT_CUT: Final = (
    "leader's power lost",
    "leader cut from the database",
    "database cut for 12 s, from its return",
)
TIMES: Final = int(os.environ.get("BEAT_FAULTS", "0"))


@pytest.fixture(scope="module")
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Two hosts with a scheduler each, one with PostgreSQL, three with brokers; an entry is due every second."""
    if missing := what_is_missing():
        pytest.skip("; ".join(missing))
    folder = tmp_path_factory.mktemp("beat")
    with Ground(f"bt-{request.param}", KINDS[request.param], make(folder), folder) as made:
        yield made


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a figure although the test passes."""

    def past_capture(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text}")

    return past_capture


@pytest.fixture
def accounted(ground: Ground, tell: Callable[[str], None]) -> Iterator[None]:
    """Sees at the end that each slot was sent once, or is recorded as not sent; and that the records are true."""
    ground.wait_for_both()
    ground.drained()
    began = time.time()
    yield
    ground.wait_for_both()
    ticks = ground.ticks(began + 1)
    messages = Counter(ground.drained())
    assert [each for each, times in messages.items() if times > 1] == []
    assert unaccounted(ticks) == set()
    assert [tick for tick in ticks if tick.state in ("sent", "late") and message_id(tick.due) not in messages] == []
    assert [tick for tick in ticks if tick.state == "missed" and message_id(tick.due) in messages] == []
    told = ", ".join(f"{many} {state}" for state, many in Counter(tick.state for tick in ticks).items())
    missed = sum(tick.count for tick in ticks if tick.state == "missed")
    tell(f"    records: {told}; slots missed: {missed}; slots sent twice: 0\n")


@pytest.mark.usefixtures("accounted")
@pytest.mark.parametrize("fault", BESIDE_RABBITMQ if TIMES else SHORT_CUT)
@pytest.mark.parametrize("ground", ["rabbitmq"], indirect=True, scope="module")
def test_the_next_tick_comes_in_time(ground: Ground, fault: str, tell: Callable[[str], None]) -> None:
    """Whatever is lost."""
    _try(ground, fault, tell)


@pytest.mark.parametrize("ground", ["rabbitmq"], indirect=True, scope="module")
def test_missed_runs_are_reported(ground: Ground) -> None:
    """With both schedulers gone for a while, the commands tell it by their exit codes."""
    for host in ground.beats:
        host.run("systemctl", "stop", "beat")
    gone = time.time()
    status = ground.run("-m", "workers", "beat", "status")
    assert status.returncode == 4
    assert "none is active" in status.stdout
    time.sleep(WITHOUT_SCHEDULERS)
    for host in ground.beats:
        host.run("systemctl", "start", "beat")
    ground.wait_for_ticks(2, time.time())
    [missed, *_] = [tick for tick in ground.ticks(gone) if tick.state == "missed"]
    assert missed.count >= WITHOUT_SCHEDULERS - 1
    reported = ground.run("-m", "workers", "beat", "missed", "--hours", "1")
    assert reported.returncode == 4
    assert "no scheduler was active" in reported.stdout


@pytest.mark.usefixtures("accounted")
@pytest.mark.parametrize("fault", BESIDE_REDIS if TIMES else BESIDE_REDIS[:1])
@pytest.mark.parametrize("ground", ["redis"], indirect=True, scope="module")
def test_redis_fails_over(ground: Ground, fault: str, tell: Callable[[str], None]) -> None:
    """The Sentinels choose another primary, and the scheduler finds it."""
    _try(ground, fault, tell)


def _try(ground: Ground, fault: str, tell: Callable[[str], None]) -> None:
    costs = []
    for _ in range(max(TIMES, 1)):
        time.sleep(1.5 - time.time() % 1)  # the middle of a second: the next slot is half of one away
        costs.append(FAULTS[fault](ground))
        ground.wait_for_both()
        ground.cluster.wait_healthy(120)
    longest, broker = max(costs), ground.cluster.broker
    tell(
        f"{broker}, {fault}: next tick after {median(costs):.1f} s (median), {longest:.1f} s (longest of {len(costs)})"
    )
    assert longest <= PROMISED


def _silence(ground: Ground, strike: Callable[[], object], undo: Callable[[], object] = lambda: None) -> float:
    """Strike, wait for ticks, undo; the longest time without a tick."""
    began = time.time()
    strike()
    ground.wait_for_ticks(2, began)
    longest = silence(ground.ticks(began - 5), began)
    undo()
    return longest


def _from_now(ground: Ground, mend: Callable[[], object]) -> float:
    """Mend what kept everybody from ticking; the time to the first tick."""
    began = time.time()
    mend()
    ground.wait_for_ticks(2, began)
    return sent(ground.ticks(began))[0] - began


def _leading(ground: Ground) -> Host:
    """The first host of the cluster, which leads all queues from now on."""
    ground.cluster.lead(ground.cluster.hosts[0])
    return ground.cluster.hosts[0]
