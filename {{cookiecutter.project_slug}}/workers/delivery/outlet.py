"""A way to the broker for what a worker's main process sends: confirmed, and within two seconds, whoever is away."""

import os
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from amqp.exceptions import AMQPError, MessageNacked
from celery import Celery
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from kombu import Connection

#: Seconds that a message may take: the worker's main process waits meanwhile, and hears of nobody.
WITHIN: Final = 2.0
#: Seconds to wait for a confirm, or for a primary.
CONFIRM_WITHIN: Final = 1.0
#: Seconds for which nobody tries again after that was in vain: of eight children that die while the broker is away,
#: seven cost nothing.
PAUSE: Final = 5.0
#: What a broker, or the way to it, raises.
REFUSALS: Final = (KombuError, AMQPError, MessageNacked, RedisError, OSError)
#: Options of the transport that differ from a task's way. Each broker's takes those it knows.
BRIEF: Final = {
    "patience": CONFIRM_WITHIN,  # behind Sentinels
    "socket_timeout": CONFIRM_WITHIN,  # Redis
    "socket_connect_timeout": CONFIRM_WITHIN,
    "read_timeout": CONFIRM_WITHIN,  # RabbitMQ
    "write_timeout": CONFIRM_WITHIN,
    "connect_retries_timeout": CONFIRM_WITHIN,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.2,
}


class NotSentError(Exception):
    """The broker did not take a message in time; the text says why."""


class _Outlet:
    """A connection of this process for nothing else, opened with the first message: many may follow one another."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._connection: Connection | None = None
        self._tried_in_vain: tuple[float, NotSentError] | None = None

    def publish(self, app: Celery, **options: Any) -> None:
        if not self._lock.acquire(timeout=WITHIN):
            raise NotSentError("others wait for the broker as well")
        try:
            self._refuse_while_it_is_in_vain()
            self._publish_within(app, options)
        except NotSentError as error:
            self._tried_in_vain = self._tried_in_vain or (monotonic(), error)
            raise
        finally:
            self._lock.release()

    def _refuse_while_it_is_in_vain(self) -> None:
        if self._tried_in_vain and monotonic() < self._tried_in_vain[0] + PAUSE:
            raise NotSentError(f"{self._tried_in_vain[1]} (a moment ago)")
        self._tried_in_vain = None

    def _publish_within(self, app: Celery, options: dict[str, Any]) -> None:
        """Publish, a second time where the first failed at once: the broker may have closed an idle connection."""
        enough = monotonic() + WITHIN - CONFIRM_WITHIN
        for is_last in (False, True):
            try:
                self._publish(app, options)
            except REFUSALS as error:
                self._close()  # a confirm that comes late would be taken for the next message's
                if is_last or monotonic() > enough:
                    raise NotSentError(f"{type(error).__name__}: {error}") from error
            else:
                return

    def _publish(self, app: Celery, options: dict[str, Any]) -> None:
        if self._connection is None:
            self._connection = app.connection_for_write(transport_options=BRIEF)
        # mandatory: where there is no queue it is an error, not confirmed and dropped.
        self._connection.Producer().publish(mandatory=True, confirm_timeout=CONFIRM_WITHIN, **options)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            connection.collect()


_outlet = _Outlet()


def _renew() -> None:
    global _outlet  # noqa: PLW0603 - a child must not talk on its parent's connection, nor wait for its lock
    _outlet = _Outlet()


os.register_at_fork(after_in_child=_renew)


def publish(app: Celery, **message: Any) -> None:
    """Send a message, and return once the broker has confirmed it; takes the arguments of kombu's Producer.publish.

    Raises NotSentError after about two seconds, and at once for PAUSE seconds after that. The message may have
    arrived all the same.
    """
    _outlet.publish(app, **message)
