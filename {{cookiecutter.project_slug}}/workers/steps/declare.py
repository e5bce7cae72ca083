"""Declares the queues of every group before a worker consumes its own."""

from typing import Any

from celery import bootsteps


class DeclareTopology(bootsteps.StartStopStep):
    """On a fresh virtual host a worker declares only the queue it consumes, while native delayed delivery binds all of
    them and gives up on the missing ones (trap 1)."""

    requires = ("celery.worker.consumer.connection:Connection",)

    def start(self, c: Any) -> None:
        """Declare on the consumer's own connection, so that it fails over with it."""
        with c.connection.channel() as channel:
            for queue in c.app.amqp.queues.values():
                queue(channel).declare()
