"""Two schedulers, as real processes on one database: never twice, and never long without a tick."""

import os
import random
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.beat.processes import Beat, Ground, account
from tests.conftest import until

#: Seconds from the leader's end to the next tick, at most: what the scheduler promises.
PROMISED = 15
#: How often a leader is killed; some dozens by hand: BEAT_KILLS=40.
KILLS = int(os.environ.get("BEAT_KILLS", "1"))


def _ticking(ground: Ground) -> Beat:
    """Two schedulers of an entry that is due every second; the one that sends."""
    ground.add("tick", every=1, late_within=60)
    leader = ground.start()
    _until_ticks(ground, 2)
    _wait_for_standby(ground.start())
    return leader


def _wait_for_standby(beat: Beat) -> None:
    until(lambda: beat.events("beat_waiting"), "the start of the other scheduler")


def _until_ticks(ground: Ground, more: int) -> float:
    """Wait for so many ticks; the seconds it took."""
    began, before = time.monotonic(), len(ground.messages())
    until(lambda: len(ground.messages()) >= before + more, "the next tick", 2 * PROMISED)
    return time.monotonic() - began


@pytest.mark.timeout(300 + 30 * KILLS)
def test_a_killed_leader_is_replaced_and_no_slot_is_sent_twice(
    on_postgresql: Ground, tell: Callable[[str], None]
) -> None:
    """Killed at random moments, some of them between claim and confirm; each slot is sent, missed or doubtful."""
    leader = _ticking(on_postgresql)
    took = []
    for _ in range(KILLS):
        time.sleep(random.uniform(0, 2))
        leader.kill()
        took.append(_until_ticks(on_postgresql, 1))
        [leader] = [beat for beat in on_postgresql.beats if beat.process.poll() is None]
        _wait_for_standby(on_postgresql.start())
    _until_ticks(on_postgresql, 2)
    found = account(on_postgresql, "tick")
    took.sort()
    tell(
        f"{KILLS} kills: next tick after {took[len(took) // 2]:.1f} s (median), {took[-1]:.1f} s (longest); slots: "
        f"{len(found.sent)} sent, {len(found.missed)} missed, {len(found.doubtful)} doubtful, {len(found.twice)} twice"
    )
    assert found.twice == {}
    assert found.unaccounted == set()
    assert found.sent & found.missed == set()
    assert found.longest_gap <= PROMISED


def test_killed_between_claim_and_confirm_a_slot_is_reported_and_never_sent_again(on_postgresql: Ground) -> None:
    """The broker takes no writes in that moment, so the claim stands and the message does not."""
    leader = _ticking(on_postgresql)
    on_postgresql.broker.client_pause(60_000, all=False)
    claimed = "SELECT name FROM beat_run WHERE state = 'claimed'"
    until(lambda: on_postgresql.sql(claimed) == [("tick",)], "a claim without a confirm")
    leader.kill()
    on_postgresql.broker.client_unpause()
    on_postgresql.ask("Run.objects.filter(state='claimed').update(noted_at=Now() - timedelta(minutes=1))")
    _until_ticks(on_postgresql, 1)
    [other] = [beat for beat in on_postgresql.beats if beat.process.poll() is None]
    until(lambda: other.events("periodic_task_doubtful"), "its report")
    found = account(on_postgresql, "tick")
    assert len(found.doubtful) == 1
    assert (found.twice, found.unaccounted, found.sent & found.doubtful) == ({}, set(), set())
    reported = on_postgresql.run("-m", "workers", "beat", "missed")
    assert reported.returncode == 4
    assert "perhaps sent" in reported.stdout


@pytest.mark.parametrize("database", ["on_sqlite", "on_postgresql"])
def test_a_stopped_leader_hands_over_at_once(database: str, request: pytest.FixtureRequest) -> None:
    """A restart for a release costs a second, not the rest of the lease."""
    ground: Ground = request.getfixturevalue(database)
    leader = _ticking(ground)
    assert leader.stop() == 0
    [(holder, ends)] = ground.sql("SELECT holder, expires_at FROM beat_lease")
    ends = datetime.fromisoformat(f"{ends}+00:00") if isinstance(ends, str) else ends  # SQLite has text, in UTC
    assert leader.name not in holder or ends <= datetime.now(UTC)  # else for six seconds more
    _until_ticks(ground, 1)
    found = account(ground, "tick")
    assert (found.twice, found.unaccounted, found.doubtful) == ({}, set(), set())


def test_a_halted_leader_wakes_up_and_sends_nothing(on_postgresql: Ground) -> None:
    """A frozen host believes that no time has passed; meanwhile the other one has taken over."""
    leader = _ticking(on_postgresql)
    leader.process.send_signal(signal.SIGSTOP)
    _until_ticks(on_postgresql, 2)
    before = len(leader.events("task_enqueued"))
    leader.process.send_signal(signal.SIGCONT)
    until(lambda: leader.events("beat_waiting"), "its noticing")
    _until_ticks(on_postgresql, 3)
    assert len(leader.events("task_enqueued")) == before
    found = account(on_postgresql, "tick")
    assert (found.twice, found.unaccounted) == ({}, set())
