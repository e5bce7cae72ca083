"""How a consumer takes messages off its queue: noted as held in the same step, so that none is on its way to nobody.

Kombu waits with BRPOP, which takes. A consumer whose host lost power waits on at the server, which hands the next
message to a dead socket; one that is killed after BRPOP's answer has noted nothing yet. Both lose a message each.
Here the wait takes nothing: BLMOVE from the end of a queue to that same end. A script then takes and notes at once; an
answer that is lost with its connection is asked for again, under the same tags. A message wakes every idle consumer of
its queue; all but one find nothing and wait again.
"""

import os
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from queue import Empty
from typing import Any, Final
from uuid import uuid4

from kombu.transport import redis
from kombu.utils.json import dumps
from redis.exceptions import OutOfMemoryError

from workers.brokers.redis.holding import NO_EXCHANGE, Held
from workers.brokers.redis.messages import Tolerant, tagged

#: Takes a message for each tag, ARGV[4] and on, and notes it as kombu would, with the time, ARGV[1]. It goes back to
#: the queue it was taken from: ARGV[2] is the note's end. Tags of a take without an answer, if ARGV[3] is 1, give what
#: they gave then. It may write when the memory is full, too, since it takes first.
TAKE: Final = """
local taken = {}
for tag = 4, #ARGV do
    local noted = ARGV[3] == '1' and redis.call('HGET', KEYS[2], ARGV[tag])
    local message = noted and string.sub(noted, 2, -1 - #ARGV[2]) or redis.call('RPOP', KEYS[3])
    if not message then
        break
    end
    redis.call('ZADD', KEYS[1], ARGV[1], ARGV[tag])
    redis.call('HSET', KEYS[2], ARGV[tag], '[' .. message .. ARGV[2])
    taken[#taken + 1] = message
end
return taken
"""

#: Messages that are taken at once, as far as the prefetch allows. Redis serves nobody else meanwhile (about 0.1 ms).
AT_ONCE: Final = 16

#: By queue, tags of takes whose answers this process never got, and whose channels are closed.
_unanswered: Final[defaultdict[str, deque[list[str]]]] = defaultdict(deque)
# A child is not the one that asked.
os.register_at_fork(after_in_child=_unanswered.clear)


class Taking(Tolerant, redis.Channel):
    """A channel that takes messages so.

    Kombu's own way stays for a channel with several queues, or with one whose messages nobody acknowledges.
    """

    QoS = Held
    #: One list a queue: BLMOVE waits for one. Tasks that are to overtake others have a group of their own.
    priority_steps: Sequence[int] = (0,)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Open it."""
        self._tags = map(f"{uuid4()}.{{}}".format, count())
        self._acknowledged: set[str] = set()
        self._noted: set[str] = set()
        self._asked: list[str] = []
        self._drained = False
        self._read_answer: Callable[[], bool] | None = None
        super().__init__(*arguments, **options)

    def prefixed(self, key: str) -> str:
        """A key as it is called in Redis: kombu's client prefixes only the first of a script's keys."""
        return f"{self.global_keyprefix}{key}"

    def was_noted(self, tag: str) -> bool:
        """Whether the message of that tag was noted as held when it was taken; asked once."""
        if tag not in self._noted:
            return False
        self._noted.remove(tag)
        return True

    def basic_consume(self, queue: str, no_ack: bool, *arguments: Any, **options: Any) -> Any:
        """Consume `queue`."""
        if not no_ack:
            self._acknowledged.add(queue)
        return super().basic_consume(queue, no_ack, *arguments, **options)

    def close(self) -> None:
        """Close it. What was taken and not delivered yet is held, and so given back like all that is held."""
        if self._read_answer and self._asked:
            self._hold_what_was_taken()
        elif self._read_answer:
            self.client.connection.disconnect()  # nobody needs the answer to a wait
        if self._asked:
            _unanswered[self._queue_asked].append(self._asked)
        self._read_answer = self._in_poll = None
        super().close()

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Ask for messages; wait for some where there were none. Called by kombu's poller while prefetch allows it."""
        queue = self._sole_queue()
        if queue is None or len(self.priority_steps) > 1:
            self._read_answer = None
            super()._brpop_start(timeout)
            return
        self._in_poll = self.client.connection
        self._brpop_sent_at = time.monotonic()
        start = self._wait if self._drained and not self._asked else self._ask
        start(queue)

    def _brpop_read(self, **options: Any) -> bool:
        """Read the answer."""
        read, self._read_answer = self._read_answer, None
        if read is None:
            return super()._brpop_read(**options)
        try:
            return read()
        finally:
            if self._read_answer is None:
                self._in_poll = None
                self._flush_brpop_reauth()

    def _sole_queue(self) -> str | None:
        queues = set(self.active_queues)
        return next(iter(queues)) if len(queues) == 1 and queues <= self._acknowledged else None

    def _send(self, read: Callable[[str], bool], queue: str, *command: object) -> None:
        self._read_answer = partial(read, queue)
        self.client.connection.send_command(*command)

    def _answer(self, command: str) -> Any:
        connection = self.client.connection
        try:
            return self.client.parse_response(connection, command)
        except self.connection_errors:
            connection.disconnect()
            raise

    def _wait(self, queue: str) -> None:
        key = self.prefixed(queue)
        self._send(self._woken, queue, "BLMOVE", key, key, "RIGHT", "RIGHT", self.brpop_timeout)

    def _woken(self, queue: str) -> bool:
        try:
            self._drained = self._answer("BLMOVE") is None
        except OutOfMemoryError:
            # BLMOVE is refused then, for it may write. Wait at a list that is never filled, and look again.
            self._send(self._slept, queue, "BLPOP", self.prefixed(f"{queue}{self.sep}full"), self.brpop_timeout)
            raise Empty from None
        if not self._drained and self._sole_queue() == queue:
            self._ask(queue)
        raise Empty

    def _slept(self, queue: str) -> bool:  # noqa: ARG002 - as the other readers
        self._answer("BLPOP")
        self._drained = False
        raise Empty

    def _ask(self, queue: str) -> None:
        again = self._asked or (_unanswered[queue] and _unanswered[queue].popleft())
        self._queue_asked = queue
        self._asked = again or [next(self._tags) for _ in range(self._credit())]
        keys = [self.unacked_index_key, self.unacked_key, queue]
        end = f"{NO_EXCHANGE.decode()}{dumps(queue)}]"
        arguments = [time.time(), end, 1 if again else 0, *self._asked]
        self._send(self._taken, queue, "EVAL", TAKE, len(keys), *map(self.prefixed, keys), *arguments)

    def _credit(self) -> int:
        allowed = self.qos.can_consume_max_estimate()
        return AT_ONCE if allowed is None else max(1, min(allowed, AT_ONCE))

    def _taken(self, queue: str) -> bool:
        payloads = self._payloads(queue)
        if not payloads:
            raise Empty
        try:
            while payloads:
                self.connection._deliver(payloads.popleft(), queue)  # noqa: SLF001 - as kombu's own
        finally:
            self._hold(payloads)  # where one fails, the others are held as if they had been delivered
        return True

    def _payloads(self, queue: str) -> deque[Any]:
        items = self._answer("EVAL")
        tags, self._asked = self._asked, []
        self._drained = len(items) < len(tags)
        found = deque(tagged(item, tag, queue) for item, tag in zip(items, tags, strict=False))
        self._noted.update(tags[: len(items)])
        return found

    def _hold_what_was_taken(self) -> None:
        with suppress(*self.connection_errors):
            self._hold(self._payloads(self._queue_asked))

    def _hold(self, payloads: Iterable[Any]) -> None:
        for payload in payloads:
            message = self.Message(payload, channel=self)
            self.qos.append(message, message.delivery_tag)
