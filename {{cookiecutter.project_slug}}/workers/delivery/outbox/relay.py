"""Sends what is left in the outbox: the broker was away when it was committed, or the process died just then.

Any number of relays may run: each takes rows that no other one has, for as long as sending a batch can last. One that
dies leaves them to the others.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from socket import gethostname
from time import monotonic
from typing import Final

import structlog
from celery import Celery
from kombu import Connection

from workers.delivery.dead import collect
from workers.delivery.dead.letter import Letter
from workers.delivery.dead.original import Original
from workers.delivery.models.outbox import OutboxMessage
from workers.delivery.outbox import batch, store
from workers.delivery.outbox.batch import Outcome, Rows
from workers.delivery.outbox.message import Message
from workers.delivery.outlet import BRIEF, REFUSALS

#: Tries of a message that fails for a reason of its own, with pauses that double: a quarter of an hour in all, in which
#: a forgotten permission or release can be mended.
TRIES: Final = 10
LONGEST_PAUSE: Final = 512
#: Seconds until a message is offered again that the broker refused: its queue is full.
REFUSED_PAUSE: Final = 5.0
#: Seconds until a message is offered again whose way to the broker broke.
LOST_PAUSE: Final = 1.0
#: Seconds of sending without a pause, at most: whoever watches the relay sees that it gets on.
TURN: Final = 60.0

logger = structlog.get_logger(__name__)


class Relay:
    """One relay, with a connection to the broker that it keeps."""

    def __init__(self, app: Celery, is_stopping: Callable[[], bool]) -> None:
        self._app = app
        self._is_stopping = is_stopping
        self._connection: Connection | None = None

    def send_once(self) -> int:
        """Send what is due, for TURN seconds at most; how many messages were sent.

        Raises one of outlet.REFUSALS where the broker takes nothing more, or DatabaseError: what was not sent stays.
        """
        sent, enough = 0, monotonic() + TURN
        while monotonic() < enough and store.is_any_due() and not self._is_stopping():
            connection = self._connected()  # first: what nobody can send now needs no taking
            rows = store.take()
            outcome = batch.send(rows, connection, self._app, lambda taken=rows: self._waits(taken))  # type: ignore[misc]
            sent += len(outcome.sent)
            self._note(rows, outcome)
            if outcome.lost:
                self.close()
                raise outcome.lost
        if sent:
            waiting, seconds = store.oldest()
            logger.info("outbox_sent", count=sent, waiting=waiting, oldest=round(seconds))
        return sent

    def close(self) -> None:
        """Leave the broker."""
        connection, self._connection = self._connection, None
        if connection:
            connection.collect(socket_timeout=0)

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._app.connection_for_write(transport_options=BRIEF)
        try:
            self._connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        except REFUSALS:
            self.close()
            raise
        return self._connection

    def _waits(self, taken: Rows) -> bool:
        """Whether to wait on for a broker that is blocked; what was taken stays taken."""
        store.hold(taken)
        return not self._is_stopping()

    def _note(self, rows: Rows, outcome: Outcome) -> None:
        store.forget([*outcome.sent, *outcome.expired])
        by_key = {row.pk: row for row in rows}
        for pk in outcome.expired:
            logger.warning("outbox_expired", task=by_key[pk].task, task_id=by_key[pk].task_id)
        for why in dict.fromkeys(outcome.kept.values()):
            store.put_back([pk for pk, told in outcome.kept.items() if told == why], REFUSED_PAUSE, why)
        for pk, why in outcome.failed.items():
            self._note_failed(by_key[pk], why)
        if unclear := [row.pk for row in outcome.unclear(rows)]:  # without an error: those that were not offered
            store.put_back(unclear, LOST_PAUSE if outcome.lost else 0, str(outcome.lost or ""))

    def _note_failed(self, row: OutboxMessage, why: str) -> None:
        """Try again, later each time; in the end it is a dead letter."""
        tries = row.tries + 1
        logger.error("outbox_failed", task=row.task, task_id=row.task_id, tries=tries, of=TRIES, reason=why)
        if tries < TRIES:
            store.put_back([row.pk], min(2**tries, LONGEST_PAUSE), why, counts=True)
            return
        collect.file(_letter(row, why))
        store.forget([row.pk])


def _letter(row: OutboxMessage, why: str) -> Letter:
    message = Message.from_text(row.message)
    kinds = {"content_type": message.content_type, "content_encoding": message.content_encoding}
    return Letter(
        reason="not sent",
        exception=why.partition(":")[0],
        message=why,
        traceback="",
        attempts=0,
        first_at=row.written_at,
        last_at=datetime.now(UTC),
        worker=f"relay@{gethostname()}",
        group=row.queue,
        original=Original(message.body.encode(), message.headers, {**message.properties, **kinds}),
    )
