"""Broker and results find their primary through a real Sentinel, with a password; what is wrong is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from redis.exceptions import ConnectionError  # noqa: A004 - the client's own, not Python's

from tests.conftest import free_port
from tests.delivery.channels import opened, publish, received
from tests.workers.sample import SOUND, loaded
from workers.brokers import redis
from workers.brokers.redis import transport
from workers.brokers.redis.client import client
from workers.brokers.redis.outage import MisconfiguredError, Outage, Patient
from workers.brokers.redis.sentinels import Sentinels
from workers.derive import sentinel as derived
from workers.derive.celery_settings import Links, celery_settings
from workers.derive.redis import tls

PASSWORD = "only-for-tests"
redis.register()


@pytest.fixture
def app(tmp_path: Path, sentinel: int) -> Celery:
    """An application whose first Sentinel is dead and whose second answers."""
    app = Celery("t", set_as_current=False)
    url = f"sentinel://:{PASSWORD}@main"
    links = Links(
        f"{url}/0",
        f"{url}/1",
        f"{url}/3",
        sentinel_url=";".join(f"sentinel://:{PASSWORD}@127.0.0.1:{port}" for port in (free_port(), sentinel)),
    )
    app.conf.update(celery_settings(loaded(tmp_path, SOUND), links, events=False, timezone="UTC"))
    return app


def test_a_message_goes_through_the_primary(app: Celery) -> None:
    """Sent and received by connections of their own, and gone when it is acknowledged."""
    publish(app, {"n": 1})
    with opened(app) as channel:
        message = received(app, channel)
        assert message.payload == {"n": 1}
        assert channel.client.hlen("unacked") == 1
        message.ack()
        assert channel.client.hlen("unacked") == 0
        assert received(app, channel) is None


def test_what_was_held_is_given_back_by_the_next_connection(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that lost its primary for longer than it waits would otherwise leave it to the visibility timeout."""
    publish(app, {"n": 1})
    with opened(app) as channel, monkeypatch.context() as broken:
        assert received(app, channel)
        broken.setattr(channel, "back", _refuse)
        with pytest.raises(ConnectionError):
            channel.qos.restore_unacked()
    with opened(app) as channel:
        message = received(app, channel)
        assert message.headers["redelivered"]
        message.ack()
        assert channel.client.hlen("unacked") == 0


def test_a_note_that_fails_loses_no_message(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is off its queue by then, and kombu's own transport would drop it."""
    publish(app, {"n": 1})
    with opened(app) as channel:
        with monkeypatch.context() as broken:
            broken.setattr(channel, "note", _refuse)
            with pytest.raises(ConnectionError):
                received(app, channel)
        channel.close()
    with opened(app) as channel:
        received(app, channel).ack()


def test_a_message_that_no_replica_has_is_not_sent(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be lost with its primary; and the next try must not find it there, or the task would run twice."""
    publish(app, {"n": 1})
    with opened(app) as channel:
        received(app, channel).ack()
        monkeypatch.setattr(transport, "demands_replicas", lambda _: True)
        monkeypatch.setattr(transport, "CONFIRM_WITHIN", 50)
        with pytest.raises(ConnectionError, match="no replica of 'main' confirmed the message in time"):
            publish(app, {"n": 1})
        assert received(app, channel) is None


def test_an_acknowledgement_that_fails_is_made_up_for(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place is free at once: a worker with all places taken by such would receive nothing any more."""
    publish(app, {"n": 1})
    publish(app, {"n": 1})
    with opened(app) as channel:
        channel.basic_qos(0, 1, False)  # noqa: FBT003 - AMQP's signature
        first = received(app, channel)
        with monkeypatch.context() as broken:
            broken.setattr(transport.QoS, "_remove_from_indices", _refuse)
            with pytest.raises(ConnectionError):
                first.ack()
        assert channel.qos.can_consume()
        received(app, channel).ack()
        assert channel.client.hlen("unacked") == 0


def _refuse(*_: object, **__: object) -> None:
    raise ConnectionError("no primary")


@pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # celery/backends/redis.py
def test_a_result_is_kept_by_the_primary(app: Celery) -> None:
    """Stored and read back."""
    app.backend.store_result("id", 42, "SUCCESS")
    assert app.backend.get_result("id") == 42


def test_the_newest_fail_over_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Sentinel that was cut off with the old primary still names that one, and comes first."""
    told = {"old": ("1.1.1.1", 0, False), "new": ("2.2.2.2", 1, False), "behind": ("1.1.1.1", 0, True)}
    asked = Sentinels([(name, 1) for name in told])

    def masters(link: Any) -> Callable[[], dict[str, Any]]:
        address, epoch, down = told[link.connection_pool.connection_kwargs["host"]]
        state = {"config-epoch": epoch, "ip": address, "port": 6379, "is_sdown": down, "is_odown": False}
        return lambda: {"main": state}

    for link in asked._links.values():
        monkeypatch.setattr(link, "sentinel_masters", masters(link))
    assert asked.discover_master("main") == ("2.2.2.2", 6379)


@pytest.mark.parametrize(
    ("url", "password", "message"),
    [
        (
            "sentinel://:only-for-tests@mian/0",
            PASSWORD,
            "BROKER_URL: no primary is called 'mian'; the Sentinels watch: main",
        ),
        ("sentinel://:wrong@main/0", PASSWORD, "BROKER_URL: 127.0.0.1:[0-9]+ refuses the user or the password"),
        (
            "sentinel://:only-for-tests@main/0",
            "wrong",
            "SENTINEL_URL: 127.0.0.1:[0-9]+ refuses the user or the password",
        ),
    ],
)
def test_what_waiting_does_not_mend_is_said_at_once(sentinel: int, url: str, password: str, message: str) -> None:
    """With the variable to look at; ten seconds of patience are for fail-overs."""
    arguments = derived.arguments(f"sentinel://:{password}@127.0.0.1:{sentinel}", None)
    with client(url, arguments, variable="BROKER_URL") as asked, pytest.raises(MisconfiguredError, match=message):
        asked.ping()


def test_patience_is_for_the_whole_outage() -> None:
    """Each new request would otherwise wait anew, and a web server's threads would all be waiting."""
    outage = Outage()
    tried: list[int] = []

    def fail() -> None:
        tried.append(1)
        raise ConnectionError("gone")

    for _ in range(2):
        with pytest.raises(ConnectionError):
            Patient(outage, 0.25).call_with_retry(fail, lambda _: None)
    assert len(tried) in (4, 5)  # one more for the second request
    outage.end()
    assert not outage.outlasts(0.25, ConnectionError("again"))


def test_a_ca_file_means_tls_to_sentinels_and_primary() -> None:
    """The scheme has no form for it."""
    url, ca_file = "sentinel://u:p%40@s1:26379;sentinel://u:p%40@s2", Path("/etc/ca.pem")
    assert derived.arguments(url, ca_file) == {
        "addresses": [("s1", 26379), ("s2", 26379)],
        "username": "u",
        "password": "p@",
        "ca_file": "/etc/ca.pem",
    }
    assert tls("sentinel://u:p@broker/0", ca_file) == {"ssl_cert_reqs": 2, "ssl_ca_certs": "/etc/ca.pem"}
    assert tls("sentinel://u:p@broker/0", None) is None
