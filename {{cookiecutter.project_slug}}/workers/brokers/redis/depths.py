"""What a queue on Redis really holds. The length of its list, which is what is shown elsewhere, is a part of it.

Kombu keeps a list for each step of priority, and what workers hold in one hash for all queues, with the queue's name in
each entry. Workers on Redis take tasks with a countdown at once and hold them, so those are in there, too.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from kombu.transport.redis import PRIORITY_STEPS, Channel

from workers.brokers.depth import Depth
from workers.brokers.redis.taking import HAND, HANDS
from workers.derive.virtual_host import dead_queue

if TYPE_CHECKING:
    from redis import Redis

#: Entries of the hash that are read at a time: Redis serves nobody else meanwhile, for about a millisecond.
CHUNK: Final = 500
#: Seconds to read it. Ten thousand entries, the most that workers hold of tasks with a countdown, take half a second.
WITHIN: Final = 2.0


class TooManyHeldError(Exception):
    """There are more held messages than can be told apart within WITHIN; the message says how many there are."""


def depths(client: "Redis", prefix: str, queues: Iterable[str]) -> dict[str, Depth]:
    """The depth of each queue; `prefix` is kombu's global_keyprefix.

    Raises TooManyHeldError, and redis-py's errors.
    """
    queues = list(queues)
    ready = _ready(client, prefix, [*queues, *map(dead_queue, queues)])
    held, delayed = _held(client, f"{prefix}{Channel.unacked_key}")
    held += _handed(client, prefix)
    return {queue: Depth(ready[queue], held[queue], delayed[queue], ready[dead_queue(queue)]) for queue in queues}


def _ready(client: "Redis", prefix: str, queues: list[str]) -> dict[str, int]:
    with client.pipeline(transaction=False) as pipe:
        for queue in queues:
            for step in PRIORITY_STEPS:
                pipe.llen(f"{prefix}{queue}{Channel.sep}{step}" if step else f"{prefix}{queue}")
        lengths = iter(pipe.execute())
    return {queue: sum(next(lengths) for _ in PRIORITY_STEPS) for queue in queues}


def _held(client: "Redis", key: str) -> tuple[Counter[str], Counter[str]]:
    """By queue: the messages that workers hold, and those of them that are not due yet."""
    held: Counter[str] = Counter()
    delayed: Counter[str] = Counter()
    for message, queue in _entries(client, key):
        (delayed if _is_early(message) else held)[queue] += 1
    return held, delayed


def _handed(client: "Redis", prefix: str) -> Counter[str]:
    """By queue: what the server has handed to a worker that has not noted it yet; it may be gone."""
    hands: Any = client.zrange(f"{prefix}{HANDS}", 0, -1)
    with client.pipeline(transaction=False) as pipe:
        for hand in hands:
            pipe.llen(hand)
        lengths = pipe.execute()
    handed: Counter[str] = Counter()
    for hand, length in zip(hands, lengths, strict=True):
        handed[hand.decode().removeprefix(prefix).partition(HAND)[0]] += length
    return handed


def _entries(client: "Redis", key: str) -> Iterator[tuple[Any, str]]:
    """Message and queue of each entry: kombu writes [message, exchange, routing key], and ours are queues' names."""
    deadline = time.monotonic() + WITHIN
    seen: set[bytes] = set()  # a scan may meet an entry twice
    for tag, entry in client.hscan_iter(key, count=CHUNK):
        if time.monotonic() > deadline:
            raise TooManyHeldError(f"{client.hlen(key)} messages are held by workers: too many to tell queues apart")
        if tag not in seen:
            seen.add(tag)
            with suppress(ValueError):  # what is no JSON is on its way to the dead letters
                message, _, queue = json.loads(entry)
                yield message, queue


def _is_early(message: Any) -> bool:
    try:
        moment = datetime.fromisoformat(message["headers"]["eta"])
    except (KeyError, TypeError, ValueError):
        return False  # no countdown, or no message: whoever sent it
    return moment.replace(tzinfo=moment.tzinfo or UTC) > datetime.now(UTC)
