"""What is late is dropped instead of run, and says so; what may be lost is sent as such."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any
from unittest.mock import Mock, patch

import pytest
from celery import Celery, signals
from celery.app.task import Task as CeleryTask
from celery.exceptions import Ignore
from kombu import Connection

from config.celery import app
from tests.conftest import until
from tests.delivery.ground import Ground
from workers.delivery.base import Task

LINGER, AGAIN = "shop.tasks.batch.linger", "shop.tasks.batch.again"
SQLITE = pytest.mark.parametrize("on", ["on_sqlite"], indirect=True)


def expired(ground: Ground) -> list[str]:
    """The tasks that workers said they dropped."""
    return [
        str(line["task_id"]) for worker in ground.workers for line in worker.events("task_revoked") if line["expired"]
    ]


@SQLITE
@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_a_task_that_waited_too_long_in_a_worker_is_dropped(on: Ground, pool: str, tmp_path: Path) -> None:
    """Reserved behind one that takes its time: by prefork's main process, or in the queue of a pool of threads."""
    on.worker(pool=pool, slots=1)
    on.send(LINGER, name="first", item=1, folder=str(tmp_path))
    until(lambda: on.ledger("first"), "the first one's start")
    late = on.send(LINGER, times=2, options={"expires": 2}, name="late", item=1)
    began = monotonic()
    (last,) = on.send(LINGER, options={"expires": 90}, name="in time", item=1)
    until(lambda: monotonic() > began + 2, "the passing of the deadline")
    (tmp_path / "go").touch()
    until(lambda: on.state(last) == "SUCCESS", "the last one's end")
    assert [on.state(task) for task in late] == ["REVOKED", "REVOKED"]
    assert on.ledger("late") == []
    assert sorted(expired(on)) == sorted(late)


@SQLITE
def test_a_countdown_and_a_retry_do_not_outlast_the_deadline(on: Ground) -> None:
    """Retries keep the first one: the task runs at 0, 1 and 2 s, and not at 3."""
    on.worker(slots=2)
    (waits,) = on.send(LINGER, options={"countdown": 4, "expires": 2}, name="waits", item=1)
    (retries,) = on.send(AGAIN, options={"expires": 3}, name="again")
    until(lambda: on.state(waits) == "REVOKED", "the end of the wait")
    until(lambda: on.state(retries) == "REVOKED", "the end of the retries")
    assert on.ledger("waits") == []
    assert on.ledger("again") in ([0, 1], [0, 1, 2])


@pytest.fixture
def task() -> Any:
    """A task with a deadline of its own."""
    made = Celery("t", broker="memory://", backend="cache+memory://", task_cls=Task, set_as_current=False)

    @made.task(shared=False, name="app.remind", expires=30, ignore_result=False)
    def remind() -> None: ...

    return remind


@pytest.fixture
def sent() -> Iterator[list[dict[str, Any]]]:
    """The options that tasks were sent with."""
    options: list[dict[str, Any]] = []
    with patch.object(CeleryTask, "apply_async", lambda *_args, **given: options.append(given)):
        yield options


@pytest.mark.django_db
@pytest.mark.parametrize(("given", "seconds"), [({}, 30), ({"expires": 5}, 5)], ids=["the task's", "the sender's"])
def test_seconds_count_from_the_call(task: Any, sent: Any, given: dict[str, Any], seconds: int) -> None:
    """Not from when a transaction commits, or a relay sends it an hour later."""
    before = datetime.now(UTC)
    task.apply_async(retries=1, **given)
    deadline = sent[0]["expires"]
    assert before <= deadline - timedelta(seconds=seconds) <= datetime.now(UTC)


@pytest.mark.django_db
def test_a_moment_stays_as_it_is(task: Any, sent: Any) -> None:
    """Such as that of a retry, or none where the sender wants none."""
    moment = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    for given in (moment, None):
        task.apply_async(expires=given, retries=1)
    assert [options["expires"] for options in sent] == [moment, None]


@pytest.mark.django_db
@pytest.mark.parametrize("expires", [0, -5])
def test_a_deadline_before_the_start_is_refused(task: Any, expires: int) -> None:
    """It would never run: a mistake in the sender's arithmetic."""
    with pytest.raises(ValueError, match=rf"app\.remind was sent with expires={expires}: expected seconds from now"):
        task.apply_async(expires=expires, retries=1)


@pytest.mark.parametrize("zone", ["+00:00", ""], ids=["aware", "naive"])
def test_a_late_task_does_not_begin(task: Any, zone: str) -> None:
    """Wherever it waited; the state says so, and a signal, as where Celery drops it."""
    told = Mock()
    signals.task_revoked.connect(told)
    moment = (datetime.now(UTC) - timedelta(seconds=7)).replace(tzinfo=None).isoformat() + zone
    task.push_request(id="1", args=(), kwargs={}, called_directly=False, expires=moment)
    try:
        with pytest.raises(Ignore):
            task.before_start("1", (), {})
    finally:
        task.pop_request()
    assert told.call_args.kwargs["expired"] is True  # what telemetry logs
    assert task.AsyncResult("1").state == "REVOKED"


def test_rabbitmq_is_not_asked_to_drop_it() -> None:
    """It would become a dead letter there, without a state and without a line; a worker drops it on both brokers."""
    sent = _published(app.tasks[LINGER_LIKE], expires=30)
    assert "expiration" not in sent.properties
    assert sent.headers["expires"]


#: A task of the project.
LINGER_LIKE = "celery.backend_cleanup"


def _published(task: Any, **options: Any) -> Any:
    """Send a task through a broker in memory; the message."""
    with Connection("memory://") as connection:
        queue = app.amqp.queues["default"](connection.default_channel)
        queue.declare()
        queue.purge()
        with connection.Producer() as producer:
            task.apply_async(producer=producer, **options)
        return queue.get()


@pytest.mark.parametrize("transient", [False, True])
def test_a_transient_groups_messages_are_not_for_the_disk(transient: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """RabbitMQ forgets them when it restarts. They leave no dead letters."""
    from workers.derive.task_options import options
    from workers.topology import topology

    group = topology().groups["default"].model_copy(update={"transient": transient})
    task: Any = app.tasks[LINGER_LIKE]
    monkeypatch.setattr(task, "_exec_options", None)  # noted at the first sending
    for name, value in options(group, type(task)).items():
        monkeypatch.setattr(task, name, value, raising=False)
    assert _published(task).properties["delivery_mode"] == (1 if transient else 2)
    assert task.dead_letter is not transient
