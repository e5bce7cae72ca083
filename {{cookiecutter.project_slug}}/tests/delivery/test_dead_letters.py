"""A letter is kept with all that is needed to understand it and to send it again, whatever its message was."""

import os
from typing import TYPE_CHECKING, Any

import pytest
from celery.utils.serialization import UnpickleableExceptionWrapper

from config.celery import app
from tests.conftest import steady
from tests.delivery.letters import BODY, TASK, Request, error, give_up, letter, message, taken, waiting
from workers.delivery import outlet
from workers.delivery.dead.letter import HEADER, MESSAGE_LIMIT, TRACEBACK_LIMIT, Letter, send
from workers.delivery.dead.original import HEADERS_LIMIT
from workers.delivery.outlet import NotSentError

if TYPE_CHECKING:
    from redis import Redis


def test_a_letter_says_what_happened() -> None:
    """Task, reason, error, runs, times, worker and group."""
    kept = letter()
    assert (kept.original.task, kept.original.task_id, kept.reason) == (TASK, "t4711", "failed")
    assert (kept.exception, kept.message) == ("LookupError", "no such order")
    assert "raise LookupError(text)" in kept.traceback
    assert (kept.attempts, kept.worker, kept.group) == (4, "default@host1", "default")
    assert kept.first_at
    assert kept.last_at
    assert kept.first_at < kept.last_at


def test_an_exception_that_could_not_be_pickled_keeps_its_name() -> None:
    """A child sends a stand-in for it."""
    told = error()
    told.exception = UnpickleableExceptionWrapper("shop.payments", "DeclinedError", ("no",), "DeclinedError('no')")
    kept = Letter.of_request(Request(message()), told, "failed")
    assert (kept.exception, kept.message) == ("shop.payments.DeclinedError", "DeclinedError('no')")


def test_what_an_exception_says_is_bounded() -> None:
    """Of a traceback the end is kept: there the error was raised."""
    told = error("x" * 100_000)
    told.traceback = "y" * 100_000 + "the end"
    kept = Letter.of_request(Request(message()), told, "failed")
    assert (len(kept.message), len(kept.traceback)) == (MESSAGE_LIMIT, TRACEBACK_LIMIT)
    assert kept.traceback.endswith("the end")


def test_a_group_is_known_by_the_key_also_after_a_countdown() -> None:
    """RabbitMQ's delayed delivery puts 28 words before it."""
    late = message()
    late.delivery_info["routing_key"] = "0.0.1.1.batch"
    assert Letter.of_message(late, "invalid").group == "batch"


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": None},
        {"headers": ["task"]},
        {"headers": {"task": [1], "id": {"a": 1}, "retries": "many", "losses": -5, "first_sent": "yesterday"}},
        {"headers": {"task": TASK, "first_sent": "0001-01-01T00:00:00+23:59", "retries": 10**30}},
        {"headers": {"task": "\0\ud800", "id": "x" * 10_000}},
        {"headers": {"task": TASK, "deep": eval("[" * 90 + "]" * 90)}},
        {"headers": {"task": TASK, "odd": {"__type__": "datetime", "__value__": "junk"}}},
        {"properties": ["a"], "delivery_info": "b"},
        {"properties": {"priority": {"a": 1}}, "content_type": 5, "content_encoding": 7},
        {"body": None},
        {"body": "text", "content_encoding": "no-such-encoding"},
        {"body": {"not": "bytes"}},
        {"body": memoryview(b"\xff\xfe")},
        {"body": b"[" * 200_000, "headers": {}},
    ],
    ids=lambda changes: str(changes).partition(" at 0x")[0][:50],
)  # fmt: skip
def test_whatever_a_message_claims_it_becomes_a_letter(broker: "Redis", changes: dict[str, Any]) -> None:
    """Somebody may lie on purpose; what is kept of it can be sent, and stands in one queue."""
    strange = message()
    for name, value in changes.items():
        setattr(strange, name, value)
    kept = Letter.of_message(strange, "invalid", ValueError("\0 \ud800"))
    assert b"\0" not in kept.as_header().encode()  # as RabbitMQ's client does
    send(kept, app)
    assert len(broker.keys("*.dead")) == 1


def test_a_letter_goes_to_its_groups_queue_with_its_message_as_it_was(broker: "Redis") -> None:
    """Body and headers as they came; what is added stands in one header."""
    give_up("t4711")
    [sent] = waiting(broker, "default.dead")
    assert sent["headers"].pop(HEADER)
    assert sent["headers"] == message().headers
    assert sent["content-type"] == "application/json"
    assert [bytes(each.body) for each in taken("default.dead")] == [BODY]


def test_headers_fit_a_frame_of_amqp(broker: "Redis") -> None:
    """The longest are left out; a task's own stay."""
    Letter.of_message(message(), "invalid")
    send(Letter.of_message(message(junk="x" * 200_000, more="y" * 1000), "invalid"), app)
    [sent] = waiting(broker, "default.dead")
    assert sent["headers"].keys() >= {"task", "id", "more"}
    assert sum(map(len, map(str, sent["headers"].values()))) < HEADERS_LIMIT


def test_a_broker_that_is_away_is_noticed_within_two_seconds(broker: "Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's main process waits meanwhile; and it asks once for all who have a letter now."""
    port = broker.connection_pool.connection_kwargs["port"]
    away = app.conf.broker_url.replace(str(port), "1")
    changes: Any = app.conf.changes
    monkeypatch.setitem(changes, "broker_url", away)
    began = steady()
    with pytest.raises(NotSentError, match="refused"):
        give_up("1")
    took = steady() - began
    assert took < outlet.WITHIN + 0.5
    with pytest.raises(NotSentError, match="a moment ago"):
        give_up("2")
    assert steady() - began < took + 0.1


def test_a_broker_that_says_nothing_is_noticed_within_two_seconds(broker: "Redis") -> None:
    """Its connections stand; it answers nobody."""
    give_up("0")
    broker.client_pause(4000)
    began = steady()
    with pytest.raises(NotSentError):
        give_up("1")
    assert steady() - began < outlet.WITHIN + 0.5


def test_a_connection_that_was_closed_meanwhile_costs_no_letter(broker: "Redis") -> None:
    """Brokers and firewalls close what is idle."""
    give_up("1")
    broker.client_kill_filter(_type="normal", skipme=True)
    give_up("2")
    assert [each["headers"]["id"] for each in waiting(broker, "default.dead")] == ["1", "2"]


@pytest.mark.usefixtures("broker")
def test_what_fails_at_once_is_tried_again_on_a_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """RabbitMQ's client notices that its connection was closed only when it publishes the next time."""
    way, genuine, failures = outlet._outlet, outlet._outlet._publish, [ConnectionResetError()]

    def closed_once(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        assert way._connection is None
        genuine(*arguments)

    give_up("1")
    monkeypatch.setattr(way, "_publish", closed_once)
    give_up("2")
    assert len(taken("default.dead")) == 2


def test_letters_share_a_connection(broker: "Redis") -> None:
    """A thousand failures a minute must not open a thousand."""
    give_up("1", "2")
    before = broker.info("stats")["total_connections_received"]
    give_up(*map(str, range(20)))
    assert broker.info("stats")["total_connections_received"] == before


def test_a_child_has_a_way_of_its_own(broker: "Redis") -> None:
    """On its parent's connection both would read each other's answers; and the parent may hold the lock just then."""
    give_up("1")
    parents = outlet._outlet
    with parents._lock:
        child = os.fork()
        if not child:
            os._exit(outlet._outlet is parents or outlet._outlet._lock.locked())
    assert os.waitpid(child, 0)[1] == 0
    give_up("2")
    assert len(waiting(broker, "default.dead")) == 2
