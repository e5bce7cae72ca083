"""On Redis a message counts how often it came back, whichever way, as RabbitMQ counts in `x-delivery-count`."""

from collections.abc import Callable, Iterator
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
        yield app
        app.control.purge()


@contextmanager
def _opened(app: Celery) -> Iterator[Any]:
    with app.connection_for_read() as connection, connection.channel() as channel:
        yield channel


def _received(app: Celery, channel: Any) -> Any:
    return app.amqp.queues["batch"](channel).get()


def _rejected(app: Celery) -> None:
    with _opened(app) as channel:
        _received(app, channel).reject(requeue=True)


def _left(app: Celery) -> None:
    """By a worker that stops."""
    with _opened(app) as channel:
        assert _received(app, channel)


def _forgotten(app: Celery) -> None:
    """By a worker that died: the visibility timeout passes."""
    with _opened(app) as channel:
        message = _received(app, channel)
        channel.client.zadd("unacked_index", {message.delivery_tag: 1})
        channel.qos.restore_visible(interval=1)


@pytest.mark.parametrize("come_back", [_rejected, _left, _forgotten])
def test_each_return_is_counted(app: Celery, come_back: Callable[[Celery], None]) -> None:
    """Kombu says only that there was one, so a task that kills each of its workers goes on for ever."""
    queue = app.amqp.queues["batch"]
    with app.connection_for_write() as sending:
        sending.Producer().publish({}, exchange=queue.exchange, routing_key="batch", headers={"a": 1}, declare=[queue])
    for _ in range(3):
        come_back(app)
    with _opened(app) as channel:
        message = _received(app, channel)
        assert (message.headers["deliveries"], message.headers["a"], message.payload) == (3, 1, {})
        message.ack()
        assert channel.client.hlen("unacked") == 0


def test_a_redis_that_lost_its_data_still_takes_messages(app: Celery) -> None:
    """Whoever runs binds no queue a second time; kombu drops what no binding leads anywhere, without an error."""
    queue = app.amqp.queues["batch"]
    with _opened(app) as channel:
        producer = app.amqp.Producer(channel)
        producer.publish({"n": 1}, exchange=queue.exchange, routing_key="batch", declare=[queue])
        channel.client.flushdb()
        producer.publish({"n": 2}, exchange=queue.exchange, routing_key="batch", declare=[queue])
        message = _received(app, channel)
        assert message.payload == {"n": 2}
        message.ack()
