"""The short way of a durable task to the broker, right after its commit: whatever fails is left to a relay.

On connections of its own, whose waits are bounded to about two seconds in all: whoever waits here is a web request. The
others may wait for a fail-over to end, because nobody else would send for them.
"""

import os
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from celery import Celery
from kombu.connection import ConnectionPool

from workers.brokers.refusals import QueueFullError
from workers.delivery.outbox.message import Message
from workers.delivery.outlet import BRIEF, CONFIRM_WITHIN, REFUSALS, WITHIN

#: Seconds for which nothing is tried after a failure: the broker is away, and each request would wait for it anew.
PAUSE: Final = 5.0
#: Stands for all queues.
ALL: Final = ""

_pool: ConnectionPool | None = None
_closed_until: dict[str, float] = {}


def _after_fork() -> None:
    global _pool  # noqa: PLW0603 - a child must not talk on its parent's connections
    _pool = None


os.register_at_fork(after_in_child=_after_fork)


def is_open(queue: str) -> bool:
    """Whether it is worth trying to send at once."""
    return monotonic() > max(_closed_until.get(ALL, 0), _closed_until.get(queue, 0))


def close(error: Exception) -> None:
    """Try nothing for PAUSE seconds: with that queue where it is full, else with none."""
    _closed_until[error.queue if isinstance(error, QueueFullError) else ALL] = monotonic() + PAUSE


def send(message: Message, events: list[tuple[Any, dict[str, Any]]], app: Celery) -> None:
    """Send the message, and the events that go with it; raises one of outlet.REFUSALS within about two seconds."""
    with _connections(app).acquire(block=True, timeout=WITHIN) as connection:
        try:
            was_open = connection.connected
            _send(message, events, app, connection)
        except connection.recoverable_connection_errors:
            # A confirm that comes late would be taken for the next message's.
            connection.collect(socket_timeout=0)
            connection.maybe_switch_next()
            if not was_open:
                raise
            _send(message, events, app, connection)  # the broker may have closed a connection that nobody used


def _send(message: Message, events: list[tuple[Any, dict[str, Any]]], app: Celery, connection: Any) -> None:
    connection.ensure_connection(max_retries=3, interval_start=0, interval_step=0, timeout=CONFIRM_WITHIN)
    channel: Any = connection.default_channel
    channel.refused_for = 0.0  # on RabbitMQ: a queue that is full is a relay's matter
    producer = app.amqp.Producer(channel, auto_declare=False)
    message.publish(producer, app, confirm_timeout=CONFIRM_WITHIN)
    with suppress(*REFUSALS):  # nobody is promised an event, and the message is sent
        for body, options in events:
            producer.publish(body, **{**options, "retry": False})


def _connections(app: Celery) -> ConnectionPool:
    global _pool  # noqa: PLW0603
    if _pool is None:
        _pool = app.connection_for_write(transport_options=BRIEF).Pool(app.conf.broker_pool_limit)
    return _pool
