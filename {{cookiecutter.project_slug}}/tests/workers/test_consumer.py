"""A worker that cannot connect says why in one line a round, and goes on trying."""

import logging
import ssl
from collections.abc import Iterator
from itertools import repeat
from typing import Any
from unittest.mock import patch

import pytest
from amqp import AccessRefused, NotAllowed, NotFound
from kombu import Connection
from kombu.transport import pyamqp
from structlog.testing import capture_logs

from workers.brokers.rabbitmq import transport
from workers.brokers.reasons import reason
from workers.steps import consumer, declare, patience

URLS = "amqps://u:p@r1.internal:5671/v;amqps://u:p@r2.internal:5671/v"
#: Of OpenSSL.
EXPIRED, SELF_SIGNED, OTHER_NAME = 10, 19, 62


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """No pause is waited for, no node is avoided, nothing is logged twice."""
    transport.register()
    transport._avoided.clear()
    logging.getLogger("amqp").setLevel(logging.CRITICAL)
    with patch.object(consumer, "rest"), patch.object(declare, "rest"):
        yield
    transport._avoided.clear()


def _certificate(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AccessRefused("ACCESS_REFUSED"), "refuses this user or this password"),
        (NotAllowed("vhost v not found"), "has no such virtual host, or this user may not use it"),
        (ConnectionRefusedError(111, "refused"), "refuses connections: nothing listens there"),
        (TimeoutError("timed out"), "does not answer"),
        (_certificate(EXPIRED, "certificate has expired"), "shows a certificate that has expired: issue a new one"),
        (
            _certificate(SELF_SIGNED, "self-signed certificate in certificate chain"),
            "shows a certificate that TLS_CA_FILE does not vouch for (self-signed certificate in certificate chain)",
        ),
        (
            _certificate(OTHER_NAME, "Hostname mismatch"),
            "shows a certificate for another name: the name in the URL must be one of it",
        ),
        (ssl.SSLError(1, "wrong version number"), "speaks no TLS there: look at the scheme and the port"),
    ],
)
def test_each_error_says_where_to_look(error: Exception, said: str) -> None:
    """Also when a library has wrapped it."""
    assert reason(error) == said
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = error
    assert reason(wrapped) == said


def test_a_round_in_vain_is_one_line_with_the_variable() -> None:
    """Celery's own is a traceback, five times a second."""
    answers = iter([TimeoutError(), ConnectionRefusedError(), None])
    with capture_logs() as logs, patch.object(pyamqp.Transport, "establish_connection", side_effect=_answer(answers)):
        _consumer().ensure_connected(Connection(URLS))
    assert logs == [
        {
            "event": "broker_refuses",
            "log_level": "error",
            "variable": "BROKER_URL",
            "reason": "r1.internal:5671 does not answer; r2.internal:5671 refuses connections: nothing listens there",
            "next_try": "in 1 s",
        }
    ]


def test_a_wrong_password_is_tried_again_with_longer_pauses() -> None:
    """A restart of the worker would change nothing; the right password on the broker would."""
    answers = iter([*repeat(AccessRefused("ACCESS_REFUSED"), 7), None])
    with capture_logs() as logs, patch.object(pyamqp.Transport, "establish_connection", side_effect=_answer(answers)):
        _consumer().ensure_connected(Connection("amqp://u:p@r1.internal:5672/v"))
    assert [log["next_try"] for log in logs] == [f"in {pause} s" for pause in (1, 2, 4, 5, 5, 5, 5)]


def test_a_missing_queue_is_one_line_with_the_command() -> None:
    """The worker waits for the deploy that declares it."""
    found = iter([False, True])
    worker = type("C", (), {})()
    worker.app = type("A", (), {})()
    worker.app.conf = type("S", (), {"broker_url": URLS})()
    worker.app.amqp = type("Q", (), {"queues": type("F", (), {"consume_from": {"batch": object()}})()})()
    with capture_logs() as logs, patch.object(declare, "_exists", side_effect=lambda *_: next(found)):
        declare.DeclareTopology(worker).start(worker)
    assert [(log["queue"], log["cure"]) for log in logs] == [("batch", "run `python -m workers brokers declare`")]


def test_the_broker_closes_the_channel_on_which_a_missing_queue_was_asked_for() -> None:
    """So each question has a channel of its own."""
    asked: list[Any] = []

    class Channel:
        def __init__(self) -> None:
            asked.append(self)

        def close(self) -> None: ...

    class Queue:
        def __call__(self, _channel: Channel) -> "Queue":
            return self

        def queue_declare(self, *, passive: bool) -> None:
            assert passive
            raise NotFound("no queue")

    worker = type("C", (), {"connection": type("K", (), {"channel": lambda _: Channel()})()})()
    assert not declare._exists(worker, Queue())
    assert len(asked) == 1


def test_pauses_grow_to_a_bound() -> None:
    """A broker that is back is found soon, and not stormed while it is away."""
    pauses = patience.pauses()
    assert [next(pauses) for _ in range(7)] == [1, 2, 4, 5, 5, 5, 5]


def _answer(answers: Iterator[Exception | None]) -> Any:
    def establish(*_: Any) -> Any:
        answer = next(answers)
        if answer is not None:
            raise answer
        return type("Established", (), {"connected": True})()

    return establish


def _consumer() -> consumer.Consumer:
    return consumer.Consumer.__new__(consumer.Consumer)
