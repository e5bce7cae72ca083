"""Applications on both kinds of Redis, and their channels."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import Celery

from tests.conftest import free_port
from workers.brokers import redis
from workers.derive.celery_settings import Links, celery_settings
from workers.topology import topology

redis.register()


@pytest.fixture(params=["redis", "sentinel"])
def app(request: pytest.FixtureRequest, redis_server: str) -> Iterator[Celery]:
    """An application on a Redis that its URL names, and on one that Sentinels know."""
    url, sentinels = redis_server, ""
    if request.param == "sentinel":
        ports = (free_port(), request.getfixturevalue("sentinel"))
        sentinels = ";".join(f"sentinel://:only-for-tests@127.0.0.1:{port}" for port in ports)
        url = "sentinel://:only-for-tests@main"
    with Celery("t", set_as_current=False) as app:
        links = Links(f"{url}/4", f"{url}/5", f"{url}/6", sentinel_url=sentinels)
        app.conf.update(celery_settings(topology(), links, events=False, timezone="UTC"))
        with opened(app) as channel:
            channel.client.flushdb()
        yield app


@contextmanager
def opened(app: Celery) -> Iterator[Any]:
    """A channel of a connection of its own."""
    with app.connection_for_read() as connection, connection.channel() as channel:
        yield channel


def received(app: Celery, channel: Any) -> Any:
    """A message of the queue `batch`, unacknowledged; None where there is none."""
    return app.amqp.queues["batch"](channel).get()


def publish(app: Celery, body: object) -> None:
    """Send a message to the queue `batch`, from a connection of its own."""
    queue = app.amqp.queues["batch"]
    with app.connection_for_write() as sending:
        sending.Producer().publish(
            body, exchange=queue.exchange, routing_key="batch", headers={"a": 1}, declare=[queue]
        )
