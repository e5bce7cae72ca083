"""Broker, results and beat's lock find their primary through a real Sentinel, with a password."""

from pathlib import Path

import pytest
from celery import Celery
from redbeat.schedulers import get_redis

from tests.conftest import free_port
from tests.workers.sample import SOUND, loaded
from workers.derive import sentinel as derived
from workers.derive.broker import tls
from workers.derive.celery_settings import Links, celery_settings


@pytest.fixture
def app(tmp_path: Path, sentinel: int) -> Celery:
    """An application whose first Sentinel is dead and whose second answers."""
    first, second = (f"sentinel://:only-for-tests@127.0.0.1:{port}" for port in (free_port(), sentinel))
    broker, results, locks = (f"{first}/{db};{second}/{db}" for db in (0, 1, 3))
    app = Celery("t", set_as_current=False)
    links = Links(broker, results, locks, sentinel_master="main")
    app.conf.update(celery_settings(loaded(tmp_path, SOUND), links, events=False, timezone="UTC"))
    return app


def test_a_message_goes_through_the_primary(app: Celery) -> None:
    """Sent and received by connections of their own."""
    with app.connection_for_write() as sending, app.connection_for_read() as receiving:
        queue = app.amqp.queues["batch"]
        sending.Producer().publish({"n": 1}, exchange=queue.exchange, routing_key="batch", declare=[queue])
        with receiving.channel() as channel:
            message = queue(channel).get()
            assert message is not None
            assert message.payload == {"n": 1}
            message.ack()


@pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # celery/backends/redis.py
def test_a_result_is_kept_by_the_primary(app: Celery) -> None:
    """Stored and read back."""
    app.backend.store_result("id", 42, "SUCCESS")
    assert app.backend.get_result("id") == 42


def test_beat_finds_its_lock_there(app: Celery) -> None:
    """In the database that the URL names."""
    client = get_redis(app)
    client.set("lock", "held")
    assert client.connection_pool.connection_kwargs["db"] == 3
    assert client.get("lock") == "held"


def test_a_ca_file_means_tls_to_sentinels_and_primary() -> None:
    """The scheme has no form for it."""
    url, ca_file = "sentinel://:pw@s1:26379/0", Path("/etc/ca.pem")
    told = derived.transport(url, "main", ca_file)["sentinel_kwargs"]
    assert (told["ssl"], told["ssl_ca_certs"], told["password"]) == (True, "/etc/ca.pem", "pw")
    assert tls(url, ca_file) == {"ssl_cert_reqs": 2, "ssl_ca_certs": "/etc/ca.pem"}
    assert tls(url, None) is None
