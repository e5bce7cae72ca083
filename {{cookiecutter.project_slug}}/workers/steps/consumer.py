"""The worker's consumer: Celery's own, with our steps, and with one line for each reason why it cannot connect."""

from typing import Any

import structlog
from amqp import AccessRefused
from celery.worker import consumer
from celery.worker.state import maybe_shutdown
from kombu import Connection
from kombu.exceptions import OperationalError

from workers.brokers.reasons import reason
from workers.derive.sentinel import SCHEME as SENTINEL
from workers.steps.patience import FIRST_PAUSE, pauses, rest
from workers.steps.refusing import Refusing
from workers.supervision import watchdog
from workers.supervision.pulse import pulse

logger = structlog.get_logger(__name__)


class Consumer(Refusing, consumer.Consumer):
    """Celery's consumer; the setting `worker_consumer` names it."""

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[valid-type,misc]  # a variable in celery-types
        """The steps of a worker's connection."""

        default_steps = (
            *(step for step in consumer.Consumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")),
            "workers.steps.declare:DeclareTopology",
            "workers.steps.unsent:SendUnsent",
            "workers.steps.green:GreenSignals",
            "workers.steps.slots:CatchAll",
            "workers.steps.pulse:Pulse",
        )

    def ensure_connected(self, conn: Connection) -> Connection:
        """Connect to the first node that lets us; try for ever, with a line for each round in vain.

        Celery's own tries a wrong password five times a second, with a traceback each time.
        """
        for pause in pauses():
            failures = _tried(conn)
            if not failures:
                self.first_connection_attempt = False
                return conn
            variable, told = _where("; ".join(dict.fromkeys(failures)))
            logger.error("broker_refuses", variable=variable, reason=told, next_try=f"in {pause:g} s")
            pulse.wait(f"the broker: {told}")
            rest(pause)
        raise AssertionError("the pauses never end")

    def on_ready(self) -> None:
        """The broker has been asked for messages; each time that a connection is new."""
        super().on_ready()
        watchdog.begin(self)

    def perform_pending_operations(self) -> None:
        """What a gevent worker does in each round of its loop."""
        pulse.turn()
        super().perform_pending_operations()

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Get ready to connect again; a user who may not consume gets a line, and does not try five times a second."""
        super().on_connection_error_after_connected(exc)
        if isinstance(exc, AccessRefused):
            logger.error("broker_refuses", variable="BROKER_URL", reason=str(exc), next_try=f"in {FIRST_PAUSE:g} s")
            rest(FIRST_PAUSE)


def _tried(conn: Connection) -> list[str]:
    """Try each node once; nothing where one took the connection, else what each of them said."""
    failures: list[str] = []

    def note(error: Exception, _pause: float) -> None:
        pulse.turn()
        # Behind Sentinels an error says by itself whom it came from; the connection has a primary's name only.
        failures.append(
            str(error) if conn.transport_cls == SENTINEL else f"{conn.hostname}:{conn.port} {reason(error)}"
        )

    others = max(len(conn.alt) - 1, 0)
    try:
        conn.ensure_connection(note, max_retries=others, interval_start=0, interval_step=0, callback=maybe_shutdown)
    except _errors(conn) as error:
        note(error, 0)
        return failures
    return []


def _where(told: str) -> tuple[str, str]:
    """The variable to look at, and the reason: an error that knows a better one than BROKER_URL begins with it."""
    variable, colon, rest_of_it = told.partition(": ")
    return (variable, rest_of_it) if colon and variable.isupper() else ("BROKER_URL", told)


def _errors(conn: Any) -> tuple[type[Exception], ...]:
    return (OperationalError, *conn.connection_errors, *conn.channel_errors)
