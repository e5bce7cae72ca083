"""The base task: sends after commit, hides arguments, and keeps countdowns within bounds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from amqp.exceptions import MessageNacked
from celery import Celery
from celery.app.task import Task as CeleryTask
from celery.exceptions import Reject, Retry
from django.db import transaction
from kombu.exceptions import OperationalError

from workers.delivery.base import CountdownTooLongError, LimitTooHighError, Task

Sent = list[dict[str, Any]]


@pytest.fixture
def sent() -> Iterator[Sent]:
    """What was really sent, in order."""
    messages: Sent = []

    def record(_task: Any, args: Any = None, kwargs: Any = None, **options: Any) -> None:
        messages.append({"args": args, "kwargs": kwargs, **options})

    with patch.object(CeleryTask, "apply_async", record):
        yield messages


@pytest.fixture
def task() -> Any:
    """A task of the base class that shows one of its arguments."""
    app = Celery("t", broker="memory://", task_cls=Task, set_as_current=False)

    @app.task(shared=False, name="app.pay", public_arguments=("order",), longest_countdown=60, longest_run=900)
    def pay(order: int, card: str = "") -> None: ...

    return pay


@pytest.mark.django_db(transaction=True)
def test_a_task_is_sent_when_the_transaction_commits(task: Any, sent: Sent) -> None:
    """A worker that is quicker than the commit would not find the row."""
    with transaction.atomic():
        result = task.delay(1)
        assert sent == []
    assert [message["task_id"] for message in sent] == [result.id]


@pytest.mark.django_db(transaction=True)
def test_a_task_of_a_rolled_back_transaction_is_not_sent(task: Any, sent: Sent) -> None:
    """Its order does not exist."""
    with transaction.atomic():
        task.delay(1)
        transaction.set_rollback(True)
    assert sent == []


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_a_task_is_sent_at_once(task: Any, sent: Sent) -> None:
    """There is nothing to wait for."""
    task.delay(1)
    assert len(sent) == 1


@pytest.mark.django_db(transaction=True)
def test_a_retry_survives_the_rollback_that_it_causes(task: Any, sent: Sent) -> None:
    """Retry is an exception: it rolls the transaction back, and a message sent after commit would be lost with it."""
    task.push_request(id="1", retries=0, called_directly=False, args=(1,), kwargs={})
    with pytest.raises(Retry), transaction.atomic():
        task.retry(countdown=5)
    assert [message["retries"] for message in sent] == [1]


@pytest.mark.django_db
def test_arguments_do_not_show(task: Any, sent: Sent) -> None:
    """Logs, events and Flower show argsrepr and kwargsrepr (trap 25)."""
    task.apply_async((1,), {"order": 7, "card": "4242 4242"}, retries=1)
    assert (sent[0]["argsrepr"], sent[0]["kwargsrepr"]) == ("(<int>)", "{order=7, card=<str>}")


@pytest.mark.django_db
@pytest.mark.parametrize(("countdown", "passed"), [(0, None), (0.4, 1), (1, 1), (30, 30)])
def test_a_countdown_below_a_second_becomes_one(task: Any, sent: Sent, countdown: float, passed: float | None) -> None:
    """RabbitMQ's delayed delivery refuses less with a ValueError (trap 3)."""
    task.apply_async((1,), countdown=countdown, retries=1)
    assert sent[0]["countdown"] == passed


@pytest.mark.django_db
def test_a_moment_that_has_passed_is_now(task: Any, sent: Sent) -> None:
    """A negative delay is refused by the broker just the same."""
    task.apply_async((1,), eta=datetime.now(UTC) - timedelta(minutes=1), retries=1)
    assert "eta" not in sent[0]
    assert sent[0]["countdown"] is None


@pytest.mark.django_db
def test_a_countdown_above_the_groups_is_refused(task: Any, sent: Sent) -> None:
    """On Redis it would run once more each time the visibility timeout passes (trap 11)."""
    with pytest.raises(
        CountdownTooLongError, match=r"app\.pay was sent with a countdown of 61 s; its group allows 60 s"
    ):
        task.apply_async((1,), countdown=61)
    assert sent == []


@pytest.mark.django_db
def test_a_hard_limit_below_the_soft_one_brings_a_soft_one_of_its_own(task: Any, sent: Sent) -> None:
    """The pool starts the hard limit's clock when the soft limit strikes: the other way round it never strikes."""
    task.apply_async((1,), time_limit=10, soft_time_limit=20, retries=1)
    task.apply_async((1,), time_limit=10, soft_time_limit=5, retries=1)
    assert [message["soft_time_limit"] for message in sent] == [9, 5]


@pytest.mark.django_db
def test_a_limit_above_the_groups_is_refused(task: Any, sent: Sent) -> None:
    """A stop would kill the task, and the broker would run it twice."""
    with pytest.raises(LimitTooHighError, match=r"app\.pay was sent with time_limit 901; its group allows 900"):
        task.apply_async((1,), time_limit=901)
    assert sent == []


@pytest.mark.parametrize("error", [OperationalError("no broker"), MessageNacked()], ids=["unreachable", "full"])
def test_a_retry_that_cannot_be_sent_gives_the_task_back(task: Any, error: Exception) -> None:
    """Celery rejects it without requeue: it would be gone, or among the dead letters."""
    task.acks_late = True
    with _called(task), patch.object(CeleryTask, "apply_async", side_effect=error), pytest.raises(Reject) as raised:
        task.retry(countdown=5)
    assert raised.value.args == (error, True)


def test_a_retry_of_a_task_acknowledged_early_is_sent_until_it_is_sent(task: Any) -> None:
    """It is in no queue any more that it could go back to."""
    task.acks_late = False
    failures = [OperationalError("no broker"), OperationalError("no broker"), None]
    with (
        _called(task),
        patch.object(time, "sleep") as slept,
        patch.object(CeleryTask, "apply_async", side_effect=failures),
        pytest.raises(Retry),
    ):
        task.retry(countdown=5)
    assert slept.call_count == 2


def test_a_retry_that_never_could_be_sent_fails_the_task(task: Any) -> None:
    """A countdown that is too long stays so: the task fails with that error, and is not lost without a word."""
    with _called(task), pytest.raises(CountdownTooLongError):
        task.retry(countdown=61)


@contextmanager
def _called(task: Any) -> Iterator[None]:
    """As if a worker ran it."""
    task.push_request(id="1", args=(1,), kwargs={}, retries=0, called_directly=False, is_eager=False)
    try:
        yield
    finally:
        task.pop_request()
