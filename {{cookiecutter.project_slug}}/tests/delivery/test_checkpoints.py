"""Long tasks go on where they were, whatever ended the run before."""

import os
import signal
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from celery import Celery
from celery.exceptions import Reject, Retry, SoftTimeLimitExceeded
from django.db import DatabaseError, transaction
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from tests.conftest import until
from tests.delivery.ground import Ground
from tests.delivery.worker import Worker
from workers.delivery import stopping
from workers.delivery.base import Task
from workers.delivery.checkpoints import NotStorableError, OvertakenError, Point, checkpoint
from workers.delivery.models.checkpoints import Checkpoint, remove_abandoned

WALK, STROLL = "shop.tasks.batch.walk", "shop.tasks.batch.stroll"
POSTGRESQL = pytest.mark.parametrize("on", ["on_postgresql"], indirect=True)
#: Of a walk that takes half a minute, unless it is told to run: what a worker must not wait for.
ITEMS = 150
in_database = pytest.mark.django_db(transaction=True)


def walked(ground: Ground, name: str) -> int:
    """How many items were noted so far."""
    return len(ground.ledger(name))


def _has_walked(ground: Ground, items: int) -> bool:
    return walked(ground, "walk") > items


def states(ground: Ground) -> list[str]:
    """The state of each checkpoint."""
    return [state for (state,) in ground.sql("SELECT state FROM delivery_checkpoint")]


@pytest.mark.parametrize(
    ("on", "pool", "number"),
    [
        ("on_postgresql", "prefork", signal.SIGTERM),
        ("on_postgresql", "prefork", signal.SIGQUIT),
        ("on_postgresql", "threads", signal.SIGTERM),
        ("on_postgresql", "gevent", signal.SIGTERM),
        ("on_sqlite", "prefork", signal.SIGTERM),
    ],
    indirect=["on"],
)
def test_a_worker_that_stops_hands_its_task_over(on: Ground, pool: str, number: signal.Signals, tmp_path: Path) -> None:
    """It does not wait for the task's end; another worker goes on, and each item is noted once."""
    workers = dict(zip(("batch@w0", "batch@w1"), on.several(2, pool=pool), strict=True))
    on.send(WALK, name="walk", items=ITEMS, pause=0.2, folder=str(tmp_path))
    until(lambda: walked(on, "walk") > 5, "the first steps")
    [(name,)] = on.sql("SELECT DISTINCT run FROM ledger")
    workers[name].stop(number, 60)
    assert walked(on, "walk") < ITEMS - 5
    (tmp_path / "go").touch()
    until(lambda: walked(on, "walk") == ITEMS, "the end of the walk")
    assert on.ledger("walk") == list(range(ITEMS))
    assert {run for (run,) in on.sql("SELECT DISTINCT run FROM ledger")} == set(workers)
    until(lambda: states(on) == [], "the end of its checkpoint")


@POSTGRESQL
def test_a_task_that_is_told_nothing_goes_on_after_a_crash(on: Ground) -> None:
    """Its process is killed, again and again: a checkpoint in each item's transaction loses and repeats none."""
    worker = on.worker(slots=1)
    on.send(WALK, name="walk", items=30, pause=0.1)
    for seen in (3, 12):
        until(partial(_has_walked, on, seen), "some steps")
        (child,) = _children(worker)
        os.kill(child, signal.SIGKILL)
    until(lambda: walked(on, "walk") == 30, "the end of the walk")
    assert on.ledger("walk") == list(range(30))


@POSTGRESQL
def test_out_of_time_a_task_goes_on_in_a_run_of_its_own(on: Ground) -> None:
    """The soft limit is 2 s, the walk takes 5: three runs, and at most the item under way comes twice."""
    on.worker(slots=1)
    on.send(STROLL, name="stroll", items=25, pause=0.2)
    until(lambda: set(on.ledger("stroll")) == set(range(25)), "the end of the walk")
    until(lambda: states(on) == [], "the end of its checkpoint")
    assert len(on.ledger("stroll")) <= 25 + 3


def _children(worker: Worker) -> list[int]:
    until(worker.children, "its pool")
    return worker.children()


class _FailedError(Exception):
    """What ends a run of these tests."""


def run(key: str | None, *reached: Any, end: Exception | None = None) -> Any:
    """A run that reaches these states and ends; what the one before it saved."""
    with checkpoint(key) as point:
        for state in reached:
            point.reached(state)
        if end:
            raise end
    return point.state


def fail(key: str | None, *reached: Any, end: Exception | None = None) -> None:
    """A run that reaches these states and fails."""
    with pytest.raises(_FailedError):
        run(key, *reached, end=end or _FailedError())


@in_database
def test_the_next_run_begins_where_the_last_one_ended() -> None:
    """And the end removes what nobody needs any more."""
    fail("walk", {"row": 2}, {"row": 3})
    assert run("walk") == {"row": 3}
    assert not Checkpoint.objects.exists()
    assert run("walk") is None


@in_database
def test_it_is_written_every_few_items_and_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at each call, which may be one of a million."""
    now = [0.0]
    monkeypatch.setattr("workers.delivery.checkpoints.point.monotonic", lambda: now[0])
    written: list[str] = []
    with checkpoint("walk", seconds=5, items=3) as point:
        for moment in (0, 0, 0, 0, 0, 0, 0, 4.9, 4.9, 9.8, 10):
            now[0] = moment
            point.reached(len(written))
            written.append(Checkpoint.objects.get().state)
    assert written == ["null", "null", "2", "2", "2", "5", "5", "5", "8", "8", "10"]


def _overtaken(key: str, write: bool) -> None:
    """A run that another one overtakes, and that goes on: it writes, or ends."""
    with checkpoint(key) as old:
        old.save(1)
        fail(key, 5)
        with transaction.atomic():
            Checkpoint.objects.create(key="work", run=1, begun_at=Now(), saved_at=Now())
            if write:
                old.save(2)
            transaction.set_rollback(True)


@in_database
@pytest.mark.parametrize("write", [True, False], ids=["writes", "ends"])
def test_an_old_run_overwrites_nothing_and_removes_nothing(write: bool) -> None:
    """It was presumed dead; its next write ends it, and rolls back what it did beside it."""
    with pytest.raises(OvertakenError):
        _overtaken("walk", write)
    assert [(row.key, row.state) for row in Checkpoint.objects.all()] == [("walk", "5")]


def _cleaned_up() -> None:
    """A run whose row is removed, and made anew by another one."""
    with checkpoint("walk"):
        Checkpoint.objects.all().delete()
        time.sleep(0.002)  # SQLite's clock counts milliseconds; a clean-up removes what was left for days
        fail("walk", 5)


@in_database
def test_a_run_that_begins_anew_has_a_higher_number() -> None:
    """After a clean-up, too: an old one does not take it for its own."""
    with pytest.raises(OvertakenError):
        _cleaned_up()
    assert Checkpoint.objects.get().state == "5"


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A task that a worker runs, with what it sends in `sent`."""
    app = Celery("t", broker="memory://", task_cls=Task, set_as_current=False)

    @app.task(shared=False, name="app.walk", acks_late=True)
    def made() -> None: ...

    walk: Any = made
    walk.sent = []
    walk.apply_async = lambda *_, **options: walk.sent.append(options)
    walk.push_request(id="1", args=(), kwargs={}, called_directly=False, delivery_info={}, retries=2)
    monkeypatch.setattr("workers.delivery.checkpoints.block.running_task", lambda: walk)
    return walk


@pytest.fixture
def _stops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The worker is to stop."""
    monkeypatch.setenv(stopping.VARIABLE, str(tmp_path / "stops"))
    stopping.announce()


@in_database
@pytest.mark.usefixtures("_stops")
def test_a_task_leaves_when_its_worker_stops(task: Any) -> None:
    """It saves what it reached, and its message is sent again: under its id, at once, and as no failure."""
    with pytest.raises(Retry, match="the worker stops"):
        run(None, 4, 5)
    assert [(row.key, row.state) for row in Checkpoint.objects.all()] == [("1", "4")]
    assert [(message["task_id"], message["countdown"], message["retries"]) for message in task.sent] == [("1", 0, 2)]


@in_database
@pytest.mark.usefixtures("_stops")
def test_with_the_broker_away_the_message_goes_back_instead(task: Any) -> None:
    """To its queue, by the worker, which may still reach it."""
    task.apply_async = Mock(side_effect=OperationalError("away"))
    with pytest.raises(Reject) as raised:
        run(None, 4)
    assert raised.value.args[1] is True  # requeue


@in_database
@pytest.mark.usefixtures("_stops")
def test_a_direct_call_goes_on_when_a_worker_stops() -> None:
    """Nobody would go on with it."""
    run(None, 4, 5)
    assert not Checkpoint.objects.exists()


@in_database
def test_out_of_time_without_progress_a_task_fails(task: Any) -> None:
    """The next run would end just there, and the one after it."""
    with pytest.raises(Retry, match="out of time"):
        run(None, 4, end=SoftTimeLimitExceeded())
    with pytest.raises(SoftTimeLimitExceeded):
        run(None, 4, end=SoftTimeLimitExceeded())
    assert len(task.sent) == 1


@in_database
def test_what_cannot_be_saved_at_the_end_hides_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database may be what it failed of."""
    monkeypatch.setattr(Point, "_write", Mock(side_effect=DatabaseError("away")))
    fail("walk", 4)


@in_database
@pytest.mark.parametrize("state", [object(), "x" * 70_000], ids=["object", "long"])
def test_a_state_that_cannot_be_kept_is_refused(state: Any) -> None:
    """At the first call, not when the worker stops."""
    with pytest.raises(NotStorableError, match="the state of a checkpoint"):
        run("walk", state)


@in_database
def test_what_nobody_goes_on_with_is_removed() -> None:
    """Two weeks after the last write."""
    for days in (13, 15):
        Checkpoint.objects.create(key=str(days), run=1, begun_at=Now(), saved_at=Now() - timedelta(days=days))
    assert remove_abandoned() == 1
    assert Checkpoint.objects.get().key == "13"
