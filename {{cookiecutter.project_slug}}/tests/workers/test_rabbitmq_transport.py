"""The transport bounds every wait, leaves silent nodes alone, and verifies the name of the node it reaches."""

import socket
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from amqp import Message, NotFound
from kombu import Connection
from kombu.transport import pyamqp

from workers.brokers.rabbitmq import transport

URLS = "amqps://u:p@r1.internal:5671/v;amqps://u:p@r2.internal:5671/v"


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Ours in kombu's table, and no node avoided before or after."""
    transport.register()
    transport._avoided.clear()
    yield
    transport._avoided.clear()


def _establish(answer: Any) -> Any:
    return patch.object(pyamqp.Transport, "establish_connection", autospec=True, side_effect=answer)


def test_kombu_uses_it_also_after_a_fail_over() -> None:
    """A class that is named in a setting is forgotten when the next URL's turn comes."""
    connection = Connection(URLS)
    assert isinstance(connection.transport, transport.Transport)
    connection.switch("amqps://u:p@r2.internal:5671/v")
    assert isinstance(connection.transport, transport.Transport)


def test_each_node_must_show_its_own_name() -> None:
    """Kombu fills the first one in for good, and would verify it on every node (trap 15)."""
    asked: list[str] = []

    def answer(each: Any) -> Any:
        asked.append(each.client.ssl["server_hostname"])
        raise ConnectionRefusedError

    connection = Connection(URLS, ssl={"ca_certs": "/etc/ca.pem"})
    with _establish(answer), pytest.raises(ConnectionRefusedError):
        connection._ensure_connection(max_retries=1, interval_start=0, reraise_as_library_errors=False)
    assert asked == ["r1.internal", "r2.internal"]


def test_tls_is_verified_where_nothing_is_said() -> None:
    """py-amqp's default is to take any certificate."""
    connection = Connection("amqps://u:p@r1.internal/v")
    with _establish(lambda _: "connected"):
        connection.transport.establish_connection()
    assert connection.ssl == {"cert_reqs": 2, "server_hostname": "r1.internal"}


def test_a_node_that_did_not_answer_is_not_waited_for_again() -> None:
    """Each new connection begins with the first URL, and each would wait a second for a dead node."""
    tried: list[str] = []

    def answer(each: Any) -> str:
        tried.append(each.client.hostname)
        if each.client.hostname == "r1.internal":
            raise TimeoutError
        return "connected"

    with _establish(answer):
        for _ in range(3):
            Connection(URLS)._ensure_connection(max_retries=1, interval_start=0)
    assert tried == ["r1.internal", "r2.internal", "r2.internal", "r2.internal"]


def test_where_all_are_silent_the_one_that_failed_first_is_asked() -> None:
    """Or a short outage of all would last as long as they are avoided."""
    for address in ("r2.internal:5671", "r1.internal:5671"):
        transport._avoid(address)
    connection: Any = Connection(URLS)
    with _establish(lambda each: each.client.hostname):
        assert connection._ensure_connection(max_retries=1, interval_start=0) == "r2.internal"


def test_a_single_node_is_always_asked() -> None:
    """There is no other."""
    transport._avoid("r1.internal:5671")
    with _establish(lambda _: "connected"):
        assert Connection("amqps://u:p@r1.internal/v").transport.establish_connection() == "connected"


def test_a_gevent_worker_waits_no_longer_than_others() -> None:
    """Celery takes its connection time-out away, and the kernel's own is two minutes."""
    connection = Connection("amqps://u:p@r1.internal/v", connect_timeout=None)  # type: ignore[arg-type]
    with _establish(lambda _: "connected"):
        connection.transport.establish_connection()
    assert connection.connect_timeout == 1


@pytest.mark.parametrize(("given", "used"), [({}, transport.CONFIRM_TIMEOUT), ({"confirm_timeout": 9}, 9)])
def test_every_publish_has_a_bound(given: dict[str, float], used: float) -> None:
    """The default waits for ever for a confirm that a dead leader cannot send (trap 16)."""
    with patch.object(pyamqp.Channel, "basic_publish_confirm", return_value=None) as published:
        _channel().basic_publish_confirm(Message("{}"), exchange="tasks", **given)
    assert published.call_args.kwargs["confirm_timeout"] == used


def test_a_node_that_owes_an_answer_is_avoided() -> None:
    """It may be cut off from the others and not know it."""
    channel = _channel()
    with patch.object(pyamqp.Channel, "wait", side_effect=TimeoutError), pytest.raises(TimeoutError):
        channel.wait("ack")
    assert transport._is_avoided("r1.internal:5671")


def test_events_are_not_waited_for() -> None:
    """The worker's main loop sends them, and would be blind for as long."""
    channel = _channel()
    with (
        patch.object(pyamqp.Channel, "_basic_publish", create=True, return_value="sent") as sent,
        patch.object(pyamqp.Channel, "basic_publish_confirm") as confirmed,
    ):
        channel.basic_publish_confirm("event", exchange="celeryev", routing_key="worker.heartbeat")
    assert (sent.call_count, confirmed.call_count) == (1, 0)


def test_a_missing_exchange_names_the_command() -> None:
    """Only a deploy may declare."""
    missing = NotFound("NOT_FOUND - no exchange 'tasks' in vhost 'shop'")
    with patch.object(pyamqp.Channel, "basic_publish_confirm", side_effect=missing), pytest.raises(NotFound) as raised:
        _channel().basic_publish_confirm(Message("{}"), exchange="tasks")
    assert str(raised.value) == (
        "NOT_FOUND - no exchange 'tasks' in vhost 'shop': run `python -m workers brokers declare`"
    )


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (TimeoutError("timed out"), False),
        (TimeoutError(110, "Connection timed out"), True),
        (OSError("Server unexpectedly closed connection"), True),
    ],
    ids=["nothing to read", "the kernel gave up", "closed"],
)
def test_a_broken_connection_makes_its_node_one_to_avoid(*, error: OSError, lost: bool) -> None:
    """Time that is up says nothing about the node."""
    connection = _connection()
    with (
        patch.object(pyamqp.Connection, "drain_events", side_effect=error),
        pytest.raises(type(error), match=error.args[-1]),
    ):
        connection.drain_events(timeout=1)
    assert transport._is_avoided("r1.internal:5671") is lost


def test_nobody_takes_leave_of_a_lost_node() -> None:
    """It would not answer, and the worker would wait for that before it connects elsewhere."""
    connection = _connection()
    here, there = socket.socketpair()
    with here, there:
        transport._avoid(connection.host)
        connection._transport = type("T", (), {"sock": here, "close": lambda _: here.close()})()
        with patch.object(pyamqp.Connection, "close") as in_form:
            connection.close()
    assert in_form.call_count == 0
    assert here.fileno() == -1


def _connection() -> Any:
    return transport.Connection(host="r1.internal:5671", userid="u", password="p", confirm_publish=True)


def _channel() -> Any:
    return transport.Channel(_connection(), 1)
