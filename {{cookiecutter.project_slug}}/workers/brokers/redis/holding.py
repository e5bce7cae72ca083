"""What a consumer holds of messages on Redis, which is noted there for the case that it dies."""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from kombu.transport import redis, virtual
from kombu.utils.json import loads
from redis.exceptions import OutOfMemoryError

#: Between a message and its queue in a note: it goes back to where it was taken from, whatever its own address.
NO_EXCHANGE: Final = b', "", '

#: Delivery tags of messages that are done with, and are to be taken off the list of those held.
_settled: Final[deque[str]] = deque()
# A child is not the one that held them.
os.register_at_fork(after_in_child=_settled.clear)


@contextmanager
def kept_if_it_fails(waiting: deque[Any]) -> Iterator[Any]:
    """Take the first of those that wait; it waits on if the block fails. Others may do the same meanwhile."""
    first = waiting.popleft()
    try:
        yield first
    except BaseException:
        waiting.appendleft(first)
        raise


class Held(redis.QoS):
    """What such a channel holds unacknowledged."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Hold a message: first in memory, so that it is given back if the note cannot be written."""
        virtual.QoS.append(self, message, delivery_tag)
        if not self.channel.was_noted(delivery_tag):
            self.note(message, delivery_tag)

    def note(self, message: Any, delivery_tag: str) -> None:
        """Note that a message is held which was taken in another way."""
        super().append(message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Let go of a message. Its place is free at once, whatever becomes of the note.

        Kombu's stays taken where the server is away: a consumer without a free place asks for nothing any more, and so
        never learns that its connection is lost.
        """
        virtual.QoS.ack(self, delivery_tag)
        _settled.append(delivery_tag)
        while _settled:
            with kept_if_it_fails(_settled) as tag:
                self._remove_from_indices(tag).execute()

    def _remove_from_indices(self, delivery_tag: str, pipe: Any = None) -> Any:
        """The commands after which it is no longer noted that a message is held.

        Of their own they are no transaction, which a full memory refuses; in this order, because what is left of one
        that was interrupted is then no message to give back.
        """
        pipe = pipe or self.channel.notes.pipeline(transaction=False)
        return pipe.hdel(self.unacked_key, delivery_tag).zrem(self.unacked_index_key, delivery_tag)

    def restore_visible(self, *arguments: Any, **options: Any) -> None:
        """Give back what workers left that died."""
        self.channel.empty_hands()
        with suppress(OutOfMemoryError):  # kombu's lock cannot be written while the memory is full
            super().restore_visible(*arguments, **options)

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:  # noqa: FBT002 - kombu's
        """Give a message back to its queue."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except ValueError:
            self._restore_bytes(tag)

    def _restore_bytes(self, tag: str) -> None:
        """Give back what is no message: the worker that was to refuse it died before it could."""
        with self.channel.conn_or_acquire() as client:
            item, _, queue = client.hget(self.unacked_key, tag)[1:-1].rpartition(NO_EXCHANGE)
            with client.pipeline() as pipe:
                self._remove_from_indices(tag, pipe).rpush(loads(queue.decode()), item).execute()
