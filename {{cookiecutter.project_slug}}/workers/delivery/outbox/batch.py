"""Sends many messages over one channel, and says what became of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from amqp.exceptions import ChannelError, NotFound
from celery import Celery
from kombu import Connection

from workers.brokers.rabbitmq.confirms import Confirms
from workers.delivery.models.outbox import OutboxMessage
from workers.delivery.outbox.message import ExpiredError, Message
from workers.delivery.outlet import CONFIRM_WITHIN, REFUSALS
from workers.derive.broker import is_rabbitmq

#: Seconds to wait for the confirms of a batch: five times what a busy cluster takes for a hundred messages.
CONFIRMS_WITHIN: Final = 5.0
#: What the broker says of a queue that takes no more.
REFUSED: Final = "the broker refuses it: is the queue full?"

Rows = Sequence[OutboxMessage]


@dataclass
class Outcome:
    """What became of the rows of a batch, by their keys."""

    sent: list[int] = field(default_factory=list)
    expired: list[int] = field(default_factory=list)
    kept: dict[int, str] = field(default_factory=dict)
    """The broker's fault, and why: to be sent later, however often that takes."""
    failed: dict[int, str] = field(default_factory=dict)
    """The message's own fault, and why."""
    lost: Exception | None = None
    """What broke the way to the broker; rows that are named nowhere may have been sent."""

    def unclear(self, rows: Rows) -> list[OutboxMessage]:
        """The rows of which nothing is known."""
        known = {*self.sent, *self.expired, *self.kept, *self.failed}
        return [row for row in rows if row.pk not in known]


def send(rows: Rows, connection: Connection, app: Celery, while_blocked: Callable[[], bool]) -> Outcome:
    """Send the rows' messages in their order. Nothing that the broker or the way to it raises comes out of here.

    `while_blocked` is asked every few seconds whether to wait on for a broker that took messages and then was blocked:
    on any other connection they would be sent twice.
    """
    if not is_rabbitmq(app.conf.broker_url):
        return _one_by_one(rows, connection, app)
    outcome = _together(rows, connection, app, while_blocked)
    if _is_a_messages_own(outcome.lost):
        _find_it(outcome, rows, connection, app, while_blocked)
    return outcome


def _find_it(
    outcome: Outcome, rows: Rows, connection: Connection, app: Celery, while_blocked: Callable[[], bool]
) -> None:
    """One message had the broker close the channel, and took the others' confirms along: each gets one of its own."""
    outcome.lost = None
    for row in outcome.unclear(rows):
        alone = _together([row], connection, app, while_blocked)
        outcome.sent += alone.sent
        outcome.kept |= alone.kept
        if _is_a_messages_own(alone.lost):
            outcome.failed[row.pk] = str(alone.lost)
        elif alone.lost:
            outcome.lost = alone.lost
            return


def _is_a_messages_own(error: Exception | None) -> bool:
    """Whether the broker closed the channel for what is wrong with a message: too large, or to where it may not go."""
    return isinstance(error, ChannelError) and not isinstance(error, NotFound)


def _together(rows: Rows, connection: Connection, app: Celery, while_blocked: Callable[[], bool]) -> Outcome:
    outcome, published, confirms = Outcome(), dict[int, int](), None
    try:
        channel: Any = connection.channel()  # where a connection that broke while nobody used it is found out
        confirms = Confirms(channel)
        producer = app.amqp.Producer(channel, auto_declare=False)
        for row in rows:
            if _attempt(row, outcome, producer, app):
                published[confirms.last] = row.pk
            if _is_blocked(channel):
                break
        while not confirms.wait(CONFIRMS_WITHIN):
            if not (_is_blocked(channel) and while_blocked()):
                raise TimeoutError("RabbitMQ did not confirm in time")
        channel.close()
    except REFUSALS as error:
        outcome.lost = error
    if confirms:
        outcome.sent = [published[number] for number in confirms.taken]
        outcome.kept |= {published[number]: REFUSED for number in confirms.refused}
    return outcome


def _is_blocked(channel: Any) -> bool:
    return bool(channel.connection and channel.connection.blocked)


def _one_by_one(rows: Rows, connection: Connection, app: Celery) -> Outcome:
    outcome = Outcome()
    try:
        producer = app.amqp.Producer(connection.default_channel, auto_declare=False)
        for row in rows:
            if _attempt(row, outcome, producer, app):
                outcome.sent.append(row.pk)
    except REFUSALS as error:
        outcome.lost = error
    return outcome


def _attempt(row: OutboxMessage, outcome: Outcome, producer: Any, app: Celery) -> bool:
    """Publish a message; False where it is not one that can be. What the broker raises is raised."""
    try:
        Message.from_text(row.message).publish(producer, app, confirm_timeout=CONFIRM_WITHIN)
    except ExpiredError:
        outcome.expired.append(row.pk)
    except REFUSALS:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it concerns this message and no other
        outcome.failed[row.pk] = f"{type(error).__name__}: {error}"
    else:
        return True
    return False
