"""On Redis a message counts how often it came back, whichever way, as RabbitMQ counts in `x-delivery-count`."""

from collections.abc import Callable

import pytest
from celery import Celery

from tests.delivery.channels import app as app  # noqa: PLC0414 - a fixture
from tests.delivery.channels import opened, publish, received


def _rejected(app: Celery) -> None:
    with opened(app) as channel:
        received(app, channel).reject(requeue=True)


def _left(app: Celery) -> None:
    """By a worker that stops."""
    with opened(app) as channel:
        assert received(app, channel)


def _forgotten(app: Celery) -> None:
    """By a worker that died: the visibility timeout passes."""
    with opened(app) as channel:
        message = received(app, channel)
        channel.client.zadd("unacked_index", {message.delivery_tag: 1})
        channel.qos.restore_visible(interval=1)


@pytest.mark.parametrize("come_back", [_rejected, _left, _forgotten])
def test_each_return_is_counted(app: Celery, come_back: Callable[[Celery], None]) -> None:
    """Kombu says only that there was one, so a task that kills each of its workers goes on for ever."""
    publish(app, {})
    for _ in range(3):
        come_back(app)
    with opened(app) as channel:
        message = received(app, channel)
        assert (message.headers["deliveries"], message.headers["a"], message.payload) == (3, 1, {})
        message.ack()
        assert channel.client.hlen("unacked") == 0


def test_a_redis_that_lost_its_data_still_takes_messages(app: Celery) -> None:
    """Whoever runs binds no queue a second time; kombu drops what no binding leads anywhere, without an error."""
    queue = app.amqp.queues["batch"]
    with opened(app) as channel:
        producer = app.amqp.Producer(channel)
        producer.publish({"n": 1}, exchange=queue.exchange, routing_key="batch", declare=[queue])
        channel.client.flushdb()
        producer.publish({"n": 2}, exchange=queue.exchange, routing_key="batch", declare=[queue])
        message = received(app, channel)
        assert message.payload == {"n": 2}
        message.ack()
