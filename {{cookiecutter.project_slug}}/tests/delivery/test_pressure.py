"""Whoever sends tasks learns that a queue is full: in time, at next to no cost, and in words that help."""

import os
import pickle
import time
from collections.abc import Callable, Iterator
from threading import enumerate as threads
from types import SimpleNamespace
from typing import Any

import pytest
from amqp import Message
from amqp.exceptions import MessageNacked
from celery import Celery
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from kombu.exceptions import OperationalError
from kombu.transport import pyamqp
from redis import Redis

from config.celery import app
from tests.conftest import free_port, steady, until
from tests.delivery.outboxes import keep, sent
from workers.brokers.rabbitmq import transport
from workers.brokers.refusals import BrokerBlockedError, QueueFullError
from workers.delivery.models.outbox import OutboxMessage
from workers.delivery.outbox import sender
from workers.delivery.pressure import policy, watch
from workers.delivery.pressure.gauge import Gauge
from workers.delivery.pressure.middleware import BackPressureMiddleware
from workers.delivery.pressure.policy import ShedError
from workers.delivery.pressure.state import LONGEST_WAIT, SHORTEST_WAIT, QueueState, following
from workers.delivery.pressure.watch import Watch
from workers.topology import Group, topology


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection of a test before, and no failure that is remembered."""
    monkeypatch.setattr(sender, "_pool", None)
    monkeypatch.setattr(sender, "_closed_until", {})


def group(full_at: int = 100) -> Group:
    """A group whose queue is full at so many."""
    return topology().groups[DEFAULT].model_copy(update={"full_at": full_at})


DEFAULT = str(app.conf.task_default_queue)


def after(*depths: int, every: float = 1.0, full_at: int = 100) -> QueueState:
    """The state after looks that found these depths, one each second."""
    state: QueueState | None = None
    for number, depth in enumerate(depths):
        state = following(state, depth, number * every, group(full_at))
    assert state
    return state


@pytest.mark.parametrize(
    ("depths", "full"),
    [
        ([99], False),
        ([100], True),
        ([100, 99], True),
        ([100, 81], True),
        ([100, 80], False),
        ([100, 80, 99], False),
        ([100, 80, 100], True),
    ],
)
def test_full_begins_at_one_length_and_ends_at_a_lower_one(depths: list[int], full: bool) -> None:
    """With one limit for both every other sender would be refused, and the queue would never recover."""
    assert after(*depths).full is full


@pytest.mark.parametrize(
    ("depths", "seconds"),
    [
        ([180], LONGEST_WAIT),  # nobody knows
        ([100, 180], LONGEST_WAIT),  # it grows
        ([1000, 100], SHORTEST_WAIT),  # 20 too many, 900 a second
        ([1001, 1000], LONGEST_WAIT),  # 920 too many, 1 a second
        ([182, 180], 50),
        ([1180, 1080, 980, 880], 8),
    ],
)
def test_the_wait_is_reckoned_from_how_fast_it_shrinks(depths: list[int], seconds: int) -> None:
    """Within bounds: sooner nothing has changed, later nobody comes back."""
    assert after(*depths).retry_after == seconds


class Found:
    """A gauge that finds what it is told, or nobody."""

    def __init__(self, **depths: int) -> None:
        self.depths_found: dict[str, int] | None = depths
        self.closed = 0

    def depths(self, _queues: object) -> dict[str, int]:
        """What there is."""
        if self.depths_found is None:
            raise ConnectionRefusedError
        return self.depths_found

    def close(self) -> None:
        """Count it."""
        self.closed += 1


def watching(found: Any, full_at: int = 100) -> Watch:
    """A watch over the default queue."""
    return Watch(found, {DEFAULT: group(full_at)})


def test_a_broker_that_is_away_leaves_what_was_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """For half a minute; then nothing is known, and everything is sent."""
    found = Found(**{DEFAULT: 500})
    seen = watching(found)
    monkeypatch.setattr(seen, "_start", lambda: None)
    seen.look()
    found.depths_found = None
    seen.look()
    state = seen.state(DEFAULT)
    assert state
    assert (state.depth, state.full) == (500, True)
    monkeypatch.setattr(watch, "STALE", 0)
    assert seen.state(DEFAULT) is None


def test_the_thread_begins_with_the_first_question_and_rests_when_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that sends nothing holds no connection, and asks the broker nothing."""
    monkeypatch.setattr(watch, "EVERY", 0.01)
    found = Found(**{DEFAULT: 500})
    seen = watching(found)
    until(lambda: seen.state(DEFAULT), "the first look")
    monkeypatch.setattr(watch, "IDLE", 0)
    until(lambda: found.closed, "the thread's end")
    monkeypatch.setattr(watch, "IDLE", 60)
    until(lambda: seen._thread is None, "its leave")
    seen.state(DEFAULT)
    assert "queues" in [thread.name for thread in threads()]
    monkeypatch.setattr(watch, "IDLE", 0)
    until(lambda: found.closed == 2, "its end")


def test_a_forked_child_has_a_watch_of_its_own() -> None:
    """The thread stayed with the parent; the child would believe for ever what it knew when it was forked."""
    watch.watch()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"own" if watch._watch is None else b"inherited")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 20) == b"own"


def test_redis_is_asked_for_the_length_of_its_lists(broker: Redis) -> None:
    """Of all steps of priority; a queue that is empty has no list."""
    for priority in (0, 0, 9):
        keep.apply_async(priority=priority)
    gauge = Gauge(app)
    assert gauge.depths([DEFAULT, "empty"]) == {DEFAULT: 3, "empty": 0}
    broker.flushdb()
    assert gauge.depths([DEFAULT]) == {DEFAULT: 0}
    gauge.close()


pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def full(broker: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """The default queue is full, and shrinks by one a second; the value is a client of the broker."""
    state = QueueState(depth=130, at=time.monotonic(), full=True, shrinks=1.0, retry_after=50)
    monkeypatch.setattr(policy, "watch", lambda _app: SimpleNamespace(state=lambda _queue: state))
    policy.counts.clear()
    yield broker
    policy.counts.clear()


def test_a_task_that_says_nothing_is_sent(full: Redis) -> None:
    """Only whoever asked for it is held up."""
    result = keep.delay()
    assert sent(full) == {result.id: 1}


def test_refused(full: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written either; the caller learns what, where, and when to come back."""
    monkeypatch.setattr(keep, "when_full", "refuse")
    with pytest.raises(QueueFullError) as raised:
        keep.delay()
    assert (
        str(raised.value) == f"the queue {DEFAULT!r} takes no more tasks: 130 wait; celery.keep refuses to add to them"
    )
    assert raised.value.retry_after == 50
    assert (sent(full), OutboxMessage.objects.count()) == ({}, 0)


def test_delayed(full: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """By as long as the queue should take, and each by another time; one that comes later anyway is left alone."""
    monkeypatch.setattr(keep, "when_full", "delay")
    monkeypatch.setattr(keep, "durable", False)
    given: list[Any] = []
    monkeypatch.setattr(app, "send_task", lambda *_, **options: given.append(options.get("countdown")))
    for _ in range(20):
        keep.delay()
    keep.apply_async(countdown=600)
    *waits, own = given
    assert all(50 <= wait <= 100 for wait in waits)
    assert len(set(waits)) > 1
    assert own == 600
    assert sent(full) == {}


def test_shed(full: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not sent, counted, and the result says so."""
    monkeypatch.setattr(keep, "when_full", "shed")
    results = [keep.delay() for _ in range(3)]
    assert (sent(full), OutboxMessage.objects.count()) == ({}, 0)
    assert (results[0].state, results[0].ready(), results[0].successful()) == ("SHED", True, False)
    with pytest.raises(ShedError, match=f"celery.keep was not sent: the queue '{DEFAULT}' was full"):
        results[0].get(timeout=1)
    assert policy.counts[("celery.keep", "shed")] == 3


def test_what_runs_already_is_not_held_up(full: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry that was refused or shed would lose the task."""
    monkeypatch.setattr(keep, "when_full", "shed")
    again: Any = {"task_id": "its-own", "retries": 1}
    assert keep.apply_async(**again).id == "its-own"
    assert sent(full) == {"its-own": 1}


def test_a_memory_that_is_full_is_an_error_at_once(broker: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, and within two seconds; a durable task is kept."""
    monkeypatch.setattr(keep, "durable", False)
    broker.config_set("maxmemory", 1)
    try:
        began = steady()
        with pytest.raises(BrokerBlockedError, match="Redis takes no messages: its memory is full"):
            keep.delay()
        assert steady() - began < 2
        monkeypatch.setattr(keep, "durable", True)
        keep.delay()
        assert OutboxMessage.objects.count() == 1
    finally:
        broker.config_set("maxmemory", 0)
    assert sent(broker) == {}


def odd() -> None:
    """A task's function."""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"when_full": "reject"}, "celery.odd: when_full is 'reject'; it is one of send, refuse, delay, shed"),
        ({"durable": True, "send_after_commit": False}, "celery.odd: a durable task belongs to its transaction"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], said: str) -> None:
    """When the task is made: at night, when the queue is full, is too late."""
    own = Celery("t", broker="memory://", task_cls="workers.delivery.base:Task", set_as_current=False)
    make: Any = own.task(name="celery.odd", shared=False, lazy=False, **options)
    with pytest.raises(ValueError, match=said):
        make(odd)


class Node:
    """A channel's connection, to which a broker answers as it is told."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.written = 0
        self.collected = False

    def publish(self, *_: object, **__: object) -> None:
        """Take it, or not."""
        self.written += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer:
            raise answer

    heeding_alarms = transport.Connection.heeding_alarms

    def collect(self) -> None:
        """Note it."""
        self.collected = True


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Node], None]]:
    """Publish on a channel of RabbitMQ's."""
    monkeypatch.setattr(transport, "REFUSED_PAUSE", 0.01)
    monkeypatch.setattr(transport.Channel, "refused_for", 0.1)

    def on(node: Node) -> None:
        monkeypatch.setattr(pyamqp.Channel, "basic_publish_confirm", node.publish)
        channel = transport.Channel.__new__(transport.Channel)
        channel.connection = node
        channel.basic_publish_confirm(Message("{}"), exchange="tasks", routing_key="0.0.1.default")

    yield on
    transport.note_blocked(seconds=0)


def test_a_full_queue_is_an_error_within_two_seconds(publish: Callable[[Node], None]) -> None:
    """Kombu would reconnect twenty times, which takes eight; the name is without the delay that stands before it."""
    node = Node(MessageNacked())
    with pytest.raises(QueueFullError, match="the queue 'default' takes no more tasks: max_length is reached"):
        publish(node)
    assert node.written > 3
    assert not issubclass(QueueFullError, tuple(transport.Connection.recoverable_connection_errors))


def test_a_queue_that_refused_during_an_election_gets_its_message(publish: Callable[[Node], None]) -> None:
    """A no is not always for good."""
    node = Node(MessageNacked(), MessageNacked(), None)
    publish(node)
    assert node.written == 3


def test_an_alarm_is_an_error_at_once_and_nothing_more_is_written(publish: Callable[[Node], None]) -> None:
    """What is written meanwhile would be taken when the alarm is over, although its sender was told that it failed."""
    node = Node(BrokerBlockedError.by_alarm())
    transport.note_blocked()
    with pytest.raises(BrokerBlockedError, match="an alarm for memory or disk"):
        publish(node)
    assert node.written == 0
    transport.note_blocked(seconds=0)
    with pytest.raises(BrokerBlockedError):
        publish(node)
    assert (node.written, node.collected) == (1, True)


def raising(error: Exception) -> BackPressureMiddleware:
    """The middleware around a view that raises."""

    def view(_request: HttpRequest) -> HttpResponse:
        raise error

    return BackPressureMiddleware(view)


def test_a_program_is_told_503_and_when_to_come_back() -> None:
    """In JSON, as the API's other refusals; the reason is for the log."""
    error = QueueFullError("batch", "130 wait", retry_after=50)
    answer = raising(error).process_exception(RequestFactory().post("/api/x", headers={"Accept": "*/*"}), error)
    assert answer
    assert (answer.status_code, answer["Retry-After"], answer["Content-Type"]) == (503, "50", "application/json")
    assert b"try again in 50 s" in answer.content
    assert b"batch" not in answer.content


def test_it_gets_from_a_child_to_its_worker() -> None:
    """As what a task ended with; a worker that cannot read that ends itself."""
    error = pickle.loads(pickle.dumps(QueueFullError("batch", "130 wait", retry_after=50)))
    assert (str(error), error.queue, error.retry_after) == (
        "the queue 'batch' takes no more tasks: 130 wait",
        "batch",
        50,
    )


def test_a_person_is_shown_a_page() -> None:
    """With the same status."""
    error = OperationalError("no broker")
    request = RequestFactory().get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    request.user = SimpleNamespace(is_authenticated=False)  # type: ignore[assignment]
    answer = raising(error).process_exception(request, error)
    assert answer
    assert (answer.status_code, answer["Retry-After"]) == (503, "10")
    assert b"Please try again in 10 seconds" in answer.content


def test_other_errors_are_other_errors() -> None:
    """A bug must not look like too much work."""
    assert raising(KeyError()).process_exception(RequestFactory().get("/"), KeyError()) is None


def test_the_middleware_is_installed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or all of this would be a 500."""

    def busy(*_: object, **__: object) -> None:
        raise QueueFullError("batch", "130 wait", retry_after=7)

    monkeypatch.setattr("django.contrib.auth.views.LoginView.get", busy)
    answer = client.get("/login/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "7")


def test_nobody_at_the_broker_leaves_the_gauge_usable(broker: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails, and asks anew the next time."""
    changes: Any = app.conf.changes
    gauge = Gauge(app)
    with monkeypatch.context() as away:
        away.setitem(changes, "broker_url", f"redis://127.0.0.1:{free_port()}/0")
        with pytest.raises((OperationalError, OSError)):
            gauge.depths([DEFAULT])
    assert gauge.depths([DEFAULT]) == {DEFAULT: 0}
    assert broker.ping()
    gauge.close()
