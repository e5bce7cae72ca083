"""The brokers' queues of dead letters, read without losing any: a letter leaves its queue once it is kept elsewhere."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kombu.transport.redis import Channel as RedisChannel
from kombu.transport.virtual.base import Message as RedisMessage

from workers.delivery.dead.original import Original

#: Letters that are read at a time: with bodies of some megabytes each they still fit in memory.
BATCH: Final = 50


@dataclass(frozen=True)
class Taken:
    """What stands in a queue: a message, or bytes that are none."""

    message: Any | None
    raw: bytes = b""


class Inbox(Protocol):
    """One group's queue of dead letters."""

    def take(self) -> Sequence[Taken]:
        """Look at the oldest letters, BATCH at most; they stay where they are until `settle`."""

    def settle(self) -> None:
        """Take those off the queue that were looked at last."""


def inbox(channel: Any, queue: str) -> Inbox:
    """The queue on the broker that `channel` speaks to."""
    return _OnRedis(channel, queue) if isinstance(channel, RedisChannel) else _WithAcknowledgement(channel, queue)


class _WithAcknowledgement:
    """RabbitMQ: what is not acknowledged comes back when the channel ends."""

    def __init__(self, channel: Any, queue: str) -> None:
        self._channel = channel
        self._queue = queue
        self._held: list[Any] = []

    def take(self) -> Sequence[Taken]:
        self._held = []
        while len(self._held) < BATCH and (message := self._channel.basic_get(self._queue, no_ack=False)):
            self._held.append(self._channel.message_to_python(message))
        return [Taken(message) for message in self._held]

    def settle(self) -> None:
        for message in self._held:
            message.ack()


class _OnRedis:
    """Redis: read in place, then removed by value, of which there is one: each message has a delivery tag.

    Kombu's way, off the list and then into a hash of those held, would lose a letter between the two steps. Two
    collectors may read the same ones: they store each once, and to remove what is not there any more does no harm.
    """

    def __init__(self, channel: Any, queue: str) -> None:
        self._channel = channel
        self._key = f"{channel.global_keyprefix}{queue}"  # the client prefixes neither of the two commands
        self._held: list[bytes] = []

    def take(self) -> Sequence[Taken]:
        self._held = self._channel.client.lrange(self._key, -BATCH, -1)
        return [self._parsed(each) for each in self._held]

    def settle(self) -> None:
        with self._channel.client.pipeline(transaction=False) as pipe:
            for each in self._held:
                pipe.lrem(self._key, -1, each)  # from the end at which the oldest are
            pipe.execute()

    def _parsed(self, each: bytes) -> Taken:
        try:
            return Taken(RedisMessage(json.loads(each), channel=self._channel))
        except Exception:  # noqa: BLE001 - whatever it is: somebody wrote it there by hand
            return Taken(None, each)


def original_of(taken: Taken) -> Original:
    """The message, or the bytes that are none."""
    return Original(taken.raw) if taken.message is None else Original.of(taken.message)
