"""Sees to it that the queues exist before the worker consumes: looks for them on RabbitMQ, makes them on Redis."""

from typing import Any, Final

import structlog
from amqp import NotFound
from celery import bootsteps

from workers.derive.broker import is_rabbitmq
from workers.steps.patience import pauses, rest
from workers.supervision.pulse import pulse

DECLARE: Final = "python -m workers brokers declare"

logger = structlog.get_logger(__name__)


class DeclareTopology(bootsteps.StartStopStep):
    """Takes the place of Celery's DelayedDelivery, which declares and binds what holds tasks with a countdown.

    Celery's step opens a new connection to each broker URL, one after the other, while the worker answers nobody: with
    a node dead that takes 17 s, or for ever. And it binds the queues of all groups where each worker declares its own
    only, so on a fresh virtual host it gives up (trap 1). Here RabbitMQ holds all that before any worker starts.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, c: Any) -> None:
        """Return once the queues are there. A lost connection restarts the consumer, and so this."""
        if not is_rabbitmq(c.app.conf.broker_url):
            with c.connection.channel() as channel:
                for queue in c.app.amqp.queues.values():
                    queue(channel).declare()
            return
        for pause in pauses():
            missing = [name for name, queue in c.app.amqp.queues.consume_from.items() if not _exists(c, queue)]
            if not missing:
                return
            logger.error("queue_missing", queue=missing[0], cure=f"run `{DECLARE}`", next_look=f"in {pause:g} s")
            pulse.wait(f"the queue {missing[0]}, which is missing: run `{DECLARE}`")
            rest(pause)


def _exists(c: Any, queue: Any) -> bool:
    channel = c.connection.channel()
    try:
        queue(channel).queue_declare(passive=True)
    except NotFound:
        return False  # and the broker has closed the channel
    channel.close()
    return True
