"""Counts what waits in the queues, on a connection of its own: the senders' are busy, and theirs is the hot path."""

from collections.abc import Iterable
from typing import Any

from celery import Celery
from kombu import Connection

from workers.delivery.outlet import BRIEF, REFUSALS


class Gauge:
    """A connection to the broker that is kept between two looks, and opened anew after one that failed."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._connection: Connection | None = None

    def depths(self, queues: Iterable[str]) -> dict[str, int]:
        """Messages of each queue that no worker has taken; raises one of outlet.REFUSALS within a few seconds."""
        if self._connection is None:
            self._connection = self._app.connection_for_write(transport_options=BRIEF)
        try:
            return {queue: self._depth(self._connection, queue) for queue in queues}
        except REFUSALS:
            self.close()
            raise

    def _depth(self, connection: Connection, queue: str) -> int:
        """On RabbitMQ a passive declaration tells, which needs no permission; kombu's for Redis sees no queue there."""
        channel: Any = connection.default_channel
        if connection.transport.driver_type == "amqp":
            return int(channel.queue_declare(queue, passive=True).message_count)
        return int(channel._size(queue))  # noqa: SLF001 - the lists of all steps of priority

    def close(self) -> None:
        """Leave the broker."""
        connection, self._connection = self._connection, None
        if connection:
            connection.collect(socket_timeout=0)
