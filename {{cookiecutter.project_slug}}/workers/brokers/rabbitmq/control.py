"""Remote control of workers on RabbitMQ."""

from typing import Any

from celery import Celery, uuid
from celery.app import control
from kombu import Queue, pidbox

from workers.derive.broker import is_rabbitmq


class Mailbox(pidbox.Mailbox):
    """Gives each connection of a worker a queue of its own for remote control; a command goes to all of them.

    Celery names it after the worker alone. While the node that holds that queue is dead, or the broker still believes
    in the worker's old connection, nobody can declare it again, and the worker consumes nothing meanwhile (trap 5).
    """

    def get_queue(self, hostname: str) -> Queue:
        """The queue of a new connection; it goes with the connection."""
        return super().get_queue(f"{hostname}.{uuid()}")


class Control(control.Control):
    """Celery's remote control, with our mailbox on RabbitMQ."""

    def __init__(self, app: Celery) -> None:
        if is_rabbitmq(app.conf.broker_url):
            self.Mailbox: Any = Mailbox
        super().__init__(app)
