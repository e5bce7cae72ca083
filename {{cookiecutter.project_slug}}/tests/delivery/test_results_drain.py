"""What was kept comes back to Redis: once, in time, and never over something newer."""

import json
from datetime import timedelta
from typing import Any

import pytest
from celery import states
from django.db.models import F

from tests.delivery.away import Store, another, relays, until_back
from workers.brokers.redis.results import Backend
from workers.delivery.models import KeptResult
from workers.delivery.results.drain import drain_once

pytestmark = pytest.mark.django_db(transaction=True)

S, F_, R, P = states.SUCCESS, states.FAILURE, states.RETRY, states.STARTED


def _result(state: str) -> Any:
    return ValueError(state) if state in states.EXCEPTION_STATES else state


def _age(seconds: float) -> None:
    """Let what is kept be older."""
    KeptResult.objects.update(kept_at=F("kept_at") - timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("kept", "held", "valid"),
    [
        (S, None, S),
        (F_, None, F_),
        (S, P, S),  # it was running when Redis went away
        (S, F_, S),  # a success is never replaced, by Celery's own rule
        (F_, S, S),
        (F_, F_, "newer"),
        (F_, R, R),  # somebody replayed it, and it runs again
    ],
)
def test_what_is_valid_stays(results: Store, backend: Backend, kept: str, held: str | None, valid: str) -> None:
    """`held` was stored in Redis a minute after `kept` was written down, and before it was brought back."""
    results.stop()
    backend.store_result("task", _result(kept), kept)
    _age(60)
    results.start()
    until_back(backend)
    if held:
        backend.store_result("task", ValueError("newer") if held == F_ else _result(held), held)
    assert drain_once() == 1
    stored = json.loads(results.client().get("celery-task-meta-task"))  # type: ignore[arg-type]
    assert (stored["status"] == valid) or stored["result"]["exc_message"] == [valid]


def test_what_ran_before_the_outage_is_overwritten(results: Store, backend: Backend) -> None:
    """A state that Redis still holds from before is older than what was kept since."""
    backend.store_result("task", 1, R)
    results.silence()
    backend.store_result("task", ValueError("late"), F_)
    results.wake()
    client = results.client()
    client.expire("celery-task-meta-task", 86_400 - 60)  # it was stored a minute ago
    until_back(backend)
    drain_once()
    assert backend.get_state("task") == F_


def test_a_success_before_the_outage_is_not_overwritten(results: Store, backend: Backend) -> None:
    """Not by a failure either that was kept since: of a run that was taken for lost, say."""
    backend.store_result("task", "done", S)
    results.silence()
    backend.store_result("task", ValueError("late"), F_)
    results.wake()
    results.client().expire("celery-task-meta-task", 86_400 - 60)
    until_back(backend)
    drain_once()
    assert backend.get_result("task") == "done"


def test_it_lives_no_longer_for_having_been_kept(results: Store, backend: Backend) -> None:
    """A result is there for a day, wherever it was."""
    results.stop()
    backend.store_result("task", 1, S)
    KeptResult.objects.update(
        expires_at=F("expires_at") - timedelta(hours=20), kept_at=F("kept_at") - timedelta(hours=20)
    )
    results.start()
    until_back(backend)
    drain_once()
    assert 4 * 3600 - 10 < results.client().ttl("celery-task-meta-task") <= 4 * 3600


def test_nothing_happens_while_redis_is_away(results: Store, backend: Backend) -> None:
    """And nothing is raised: a relay tries again soon."""
    results.stop()
    backend.store_result("task", 1, S)
    assert drain_once() == 0
    assert KeptResult.objects.count() == 1


def test_a_full_redis_loses_nothing(results: Store, backend: Backend) -> None:
    """It refuses in the middle; what was not brought back stays."""
    results.fill()
    for number in range(3):
        backend.store_result(f"task-{number}", number, S)
    assert drain_once() == 0
    assert KeptResult.objects.count() == 3
    results.make_room()
    assert drain_once() == 3


def test_one_that_cannot_be_brought_back_holds_up_no_other(results: Store, backend: Backend) -> None:
    """Under its key there is something else, say."""
    results.client().lpush("celery-task-meta-broken", "x")
    results.stop()
    for name in ("broken", "sound"):
        backend.store_result(name, 1, S)
    results.start()
    results.client().lpush("celery-task-meta-broken", "x")
    until_back(backend)
    assert drain_once() == 1
    assert backend.get_result("sound") == 1
    assert [row.key for row in KeptResult.objects.all()] == ["celery-task-meta-broken"]


def test_several_relays_do_no_harm(results: Store, backend: Backend) -> None:
    """Each entry is in Redis at the end, and none is left."""
    results.stop()
    for number in range(30):
        backend.store_result(f"task-{number}", number, S)
    results.start()
    until_back(backend)
    relays(3)
    drain_once()
    assert not KeptResult.objects.exists()
    assert [another(results).get_result(f"task-{number}") for number in range(30)] == list(range(30))
