"""Sends the task of a slot, at most once.

Every try is on a channel that was opened for it, so the broker has just answered: one that is gone is noticed before
the slot is claimed, while sending may still be tried again. After the claim there is one try. If that fails without a
clear no, the message may be in the queue, and sending it again could run it twice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic, sleep
from typing import Any, Final

from celery import Celery
from celery.beat import ScheduleEntry
from celery.schedules import BaseSchedule, crontab, schedule
from kombu import Connection, Producer
from kombu.exceptions import OperationalError

from workers.beat.runs import Slot
from workers.beat.timing import Cron, Every

#: Seconds to find a broker that answers; then the lease is looked after, and it is tried again.
REACH: Final = 4
#: Seconds between two tries: one that is refused at once would be made thirty times a second.
PAUSE: Final = 0.2
#: Seconds an unused connection is kept, below the heartbeats that nobody sends on it.
KEPT: Final = 5


class UnreachableError(Exception):
    """No broker answers; nothing was sent."""


class Sender:
    """One connection to the broker, opened when something is due."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._connection: Connection | None = None
        self._used = 0.0

    @contextmanager
    def producer(self) -> Iterator[Producer]:
        """A producer whose broker has just answered; raises UnreachableError where none does."""
        channel = self._channel()
        try:
            yield self._app.amqp.Producer(channel, auto_declare=False)
        finally:
            self._used = monotonic()
            if self._connection:
                self._connection.maybe_close_channel(channel)

    def rest(self) -> None:
        """Close a connection that was not used for a while."""
        if self._connection and monotonic() - self._used > KEPT:
            self.close()

    def close(self) -> None:
        """Leave the broker, without waiting for its goodbye."""
        if self._connection:
            self._connection.collect(socket_timeout=1)
            self._connection = None

    def _channel(self) -> Any:
        deadline = monotonic() + REACH
        while True:
            connection = self._connection = self._connection or self._app.connection_for_write()
            errors: Any = (*connection.connection_errors, *connection.channel_errors, OperationalError, OSError)
            try:
                connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
                return connection.channel()
            except errors as error:
                connection.collect(socket_timeout=1)
                connection.maybe_switch_next()
                if monotonic() > deadline:
                    raise UnreachableError(str(error) or type(error).__name__) from error
                sleep(PAUSE)


def as_celery_knows_it(slot: Slot, app: Celery) -> ScheduleEntry:
    """The slot as an entry of celery.beat, which is what integrations such as Sentry's look at."""
    entry = slot.entry
    options: dict[str, Any] = {"task_id": slot.task_id, "retry": False, "headers": {"celery_beat_task": True}}
    if entry.expires:
        options["expires"] = entry.expires
    return ScheduleEntry(
        name=entry.name,
        task=entry.task,
        schedule=_schedule(slot),
        args=entry.args,
        kwargs=entry.kwargs,
        options=options,
        app=app,
    )


def _schedule(slot: Slot) -> BaseSchedule | None:
    timing = slot.entry.timing
    if isinstance(timing, Cron):
        return crontab.from_string(timing.text)
    return schedule(timedelta(seconds=timing.seconds)) if isinstance(timing, Every) else None
