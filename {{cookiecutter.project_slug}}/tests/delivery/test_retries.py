"""Which errors are tried again, after which pauses, and what a storm of retries is damped to."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from celery import Celery
from celery.app.task import Task as CeleryTask
from celery.exceptions import Retry
from django.db import OperationalError
from structlog.testing import capture_logs

from tests.delivery.stage import stage
from workers.brokers.refusals import QueueFullError
from workers.delivery import retries
from workers.delivery.base import Task
from workers.delivery.retries import BURST, FLOOR, SHARE, TOLD, Budget

Sent = list[dict[str, Any]]


@pytest.fixture
def task() -> Iterator[Any]:
    """A task of the base class, with a budget of its own."""
    app = Celery("t", broker="memory://", task_cls=Task, set_as_current=False)

    @app.task(shared=False, name="app.call")
    def call(error: Exception) -> None:
        raise error

    retries._budgets.clear()
    yield call
    retries._budgets.clear()


@pytest.fixture
def clock() -> Iterator[list[float]]:
    """The time, which only the test moves."""
    now = [1000.0]
    with patch.object(time, "monotonic", lambda: now[0]):
        yield now


@pytest.mark.parametrize(
    "error", [ConnectionResetError("reset"), TimeoutError(), OperationalError("away"), QueueFullError("batch", "full")]
)
def test_what_passes_by_itself_is_tried_again(task: Any, error: Exception) -> None:
    """A database, a Redis, a service or a broker that is away for a moment."""
    assert len(_retried(task, error)) == 1


@pytest.mark.parametrize("error", [ValueError("a bug"), FileNotFoundError("no file"), PermissionError("no right")])
def test_what_stays_wrong_fails_at_once(task: Any, error: Exception) -> None:
    """Eight tries would hide it for minutes, and load whoever refuses."""
    with pytest.raises(type(error)):
        _retried(task, error)


def test_pauses_double_up_to_the_cap_and_are_drawn_by_chance(task: Any) -> None:
    """Those that failed together do not come back together."""
    longest = Counter(
        {tries: max(_pause(task, tries) for _ in range(200)) for tries in range(12)},
    )
    for tries, pause in longest.items():
        bound = min(2 * 2**tries, 600)
        assert 0.5 * bound < pause <= bound
    assert len({_pause(task, 6) for _ in range(20)}) > 10


def test_a_pause_of_ones_own_stays(task: Any) -> None:
    """The task knows when its service opens again."""
    assert _retry(task, countdown=42)["countdown"] == 42


@pytest.mark.usefixtures("clock")
def test_a_storm_is_damped_and_nothing_dropped(task: Any) -> None:
    """What is above the budget waits longest: half an outage's load would be retries otherwise."""
    task.retry_backoff_max = 100
    with capture_logs() as logs:
        pauses = [_retry(task, exc=ConnectionError())["countdown"] for _ in range(100)]
    assert len(pauses) == 100
    assert all(pause <= 2 for pause in pauses[: int(BURST)])
    assert all(50 <= pause <= 100 for pause in pauses[int(BURST) :])
    assert [(log["event"], log["task"]) for log in logs] == [("retries_damped", "app.call")]


def test_it_is_told_once_a_minute(clock: list[float]) -> None:
    """A line for each would be a storm of its own."""
    budget = Budget()
    assert [budget.is_news(), budget.is_news()] == [True, False]
    clock[0] += TOLD
    assert budget.is_news()


def test_a_budget_grows_with_runs_and_with_time(clock: list[float]) -> None:
    """A fifth of the runs, and one a second."""
    budget = Budget()
    assert sum(budget.spend() for _ in range(100)) == BURST
    for _ in range(50):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) == pytest.approx(50 * SHARE, abs=1)
    clock[0] += 5
    assert sum(budget.spend() for _ in range(100)) == 5 * FLOOR


@pytest.mark.usefixtures("clock")
def test_each_run_is_counted(task: Any) -> None:
    """Celery's hook before a run."""
    while retries._budgets["app.call"].spend():
        pass
    for _ in range(int(1 / SHARE) + 1):
        task.before_start("1", (), {})
    assert retries._budgets["app.call"].spend()


@pytest.mark.usefixtures("clock")
def test_whoever_asks_again_without_an_error_is_not_damped(task: Any) -> None:
    """Celery's own chord_unlock waits that way for the parts of a chord."""
    assert {_retry(task, countdown=1)["countdown"] for _ in range(100)} == {1}


def test_a_retry_takes_the_tasks_past_along(task: Any) -> None:
    """Also where a tracer nests headers of its own among the message's: Celery takes along only those then."""
    past = {"losses": 2, "first_sent": "2026-11-21T10:00:00+00:00", "headers": {"sentry-trace": "1"}}
    headers = _retry(task, exc=ConnectionError(), request=past)["headers"]
    assert headers == {"losses": 2, "first_sent": past["first_sent"], "sentry-trace": "1"}


def test_after_the_last_retry_comes_a_dead_letter(tmp_path: Path, redis_server: str) -> None:
    """With the error, and the number of runs it took."""
    with stage(tmp_path, redis_server, "priority") as place:
        place.start()
        refused = place.send("fail", "ConnectionError")
        letter = place.letter(refused)
        assert (letter["reason"], letter["exception"], letter["attempts"]) == ("failed", "ConnectionError", 2)
        assert place.runs(refused) == 2
        wrong, rejected = place.send("fail"), place.send("fail", "Reject")
        assert (place.letter(wrong)["attempts"], place.letter(rejected)["attempts"]) == (1, 1)
        place.settled()
        assert len(place.letters()) == 3


def _retried(task: Any, error: Exception) -> Sent:
    """What a run that raises `error` sends."""
    with _running(task) as sent, pytest.raises(Retry):
        task.run(error)
    return sent


def _retry(task: Any, request: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """With which options Celery sends a retry."""
    with _running(task, **request or {}) as sent, pytest.raises(Retry):
        task.retry(**options)
    return sent[0]


def _pause(task: Any, tries: int) -> float:
    retries._budgets.clear()
    task.max_retries = None
    pause: float = _retry(task, exc=ConnectionError(), request={"retries": tries})["countdown"]
    return pause


@contextmanager
def _running(task: Any, **request: Any) -> Iterator[Sent]:
    """As if a worker ran it."""
    sent: Sent = []

    def record(*_: Any, **options: Any) -> None:
        sent.append(options)

    task.longest_countdown = 3600
    given = {"id": "1", "args": (), "kwargs": {}, "retries": 0, "called_directly": False, "is_eager": False, **request}
    task.push_request(**given)
    try:
        with patch.object(CeleryTask, "apply_async", record), patch.object(Task, "_bound_countdown"):
            yield sent
    finally:
        task.pop_request()
