"""Declares the queues of every group, and what holds tasks with a countdown, on the worker's own connection."""

from dataclasses import dataclass
from typing import Any

from celery import bootsteps
from celery.worker import consumer
from kombu.transport.native_delayed_delivery import (
    bind_queue_to_native_delayed_delivery_exchange as bind_delayed,
)
from kombu.transport.native_delayed_delivery import (
    declare_native_delayed_delivery_exchanges_and_queues as declare_delayed,
)

from workers.derive.broker import is_rabbitmq


class DeclareTopology(bootsteps.StartStopStep):
    """Takes the place of Celery's DelayedDelivery, which binds the queues of all groups to the delay exchanges.

    A worker declares its own queue only, so on a fresh virtual host Celery's step finds the others missing and gives up
    (trap 1). It also opens a new connection to each broker URL, one after the other, while the worker answers nobody;
    here everything goes through the consumer's live connection and fails over with it.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, c: Any) -> None:
        """Declare and bind; doing it again changes nothing. A lost connection restarts the consumer, and so this."""
        queues = list(c.app.amqp.queues.values())
        with c.connection.channel() as channel:
            for queue in queues:
                queue(channel).declare()
            if is_rabbitmq(c.app.conf.broker_url):
                live: Any = _OneChannel(channel)
                declare_delayed(live, c.app.conf.broker_native_delayed_delivery_queue_type)
                for queue in queues:
                    bind_delayed(live, queue)


class Consumer(consumer.Consumer):
    """Celery's consumer with DeclareTopology in place of DelayedDelivery; the setting `worker_consumer` names it."""

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[valid-type,misc]  # a variable in celery-types
        """The steps of a worker's connection."""

        default_steps = (
            *(step for step in consumer.Consumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")),
            "workers.steps.declare:DeclareTopology",
        )


@dataclass
class _OneChannel:
    """Lends kombu's functions one channel, where each would open its own and leave it open."""

    borrowed: Any

    def channel(self) -> Any:
        return self.borrowed
