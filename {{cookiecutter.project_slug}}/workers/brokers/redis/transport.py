"""Kombu's Redis transport, made to bear a fail-over: the worker waits for the new primary and goes on where it was.

Kombu's own drops its consumer with each lost connection. Celery then kills the tasks that acknowledge late, and what
was held in memory (reserved tasks, tasks with a countdown) comes back after the visibility timeout, hours later.
Connections to `sentinel:` URLs use this one: see `register` in this package.
"""

import os
import time
from collections import deque
from collections.abc import Mapping
from queue import Empty
from typing import Any, Final

from kombu.log import get_logger
from kombu.transport import redis
from kombu.utils.json import dumps
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from workers.brokers.redis.connection import PrimaryConnection, PrimaryTLSConnection, demands_replicas, primary_pool
from workers.brokers.redis.holding import Held, kept_if_it_fails
from workers.brokers.redis.messages import given_back
from workers.brokers.redis.sentinels import NoPrimaryError, Sentinels
from workers.brokers.redis.taking import Taking

logger = get_logger(__name__)

#: Notes that a message is held. One step; also when the memory is full, because the message was taken off its queue
#: just before: refused, as kombu's own is, it would be nowhere. (A script that has begun to write is let through, and
#: ZREM is let begin.)
NOTE: Final = """
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
"""

#: Puts a message that was held back to the front of its queues, KEYS[3] and on, also when the memory is full. From the
#: holder's memory: what it noted may not have reached the replica that is primary now.
GIVE_BACK: Final = """
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
for queue = 3, #KEYS do
    redis.call('RPUSH', KEYS[queue], ARGV[2])
end
"""

#: Milliseconds a publish waits for a replica to have the message, too: it takes one. A primary that was cut off from
#: both goes on saying yes for seconds, and all it accepted then is lost when another takes its place.
CONFIRM_WITHIN: Final = 1000

#: Binds a queue when the memory is full: a worker that restarts then could not begin to work it off.
BIND: Final = """
redis.call('SREM', KEYS[1], '')
redis.call('SADD', KEYS[1], ARGV[1])
"""

#: Messages that this process held when their channel was closed, and that are to be given back.
_homeless: Final[deque[Any]] = deque()
# A child is not the one that held them.
os.register_at_fork(after_in_child=_homeless.clear)


class QoS(Held):
    """What a channel holds unacknowledged."""

    def note(self, message: Any, delivery_tag: str) -> None:
        """Note that a message is held which was taken in another way."""
        channel, delivery = self.channel, message.delivery_info
        noted = dumps([message._raw, delivery["exchange"], delivery["routing_key"]])  # noqa: SLF001 - as kombu's own
        keys = [self.unacked_index_key, channel.prefixed(self.unacked_key)]
        channel.note(keys=keys, args=[time.time(), delivery_tag, noted])

    def restore_unacked(self, client: Any = None) -> None:  # noqa: ARG002 - kombu's signature
        """Give back all that is held; what cannot be waits for this process's next connection."""
        _homeless.extend(self._delivered.values())
        self._delivered.clear()
        self.channel.give_back_homeless()


class Channel(Taking, redis.SentinelChannel):
    """A channel that stays through a fail-over. Its connection's host name is the name of the primary."""

    QoS = QoS
    connection_class = PrimaryConnection
    connection_class_ssl = PrimaryTLSConnection
    from_transport_options = (*redis.SentinelChannel.from_transport_options, "sentinels", "patience", "variable")

    #: Arguments of Sentinels.
    sentinels: Mapping[str, Any]
    patience: float | None = None
    variable: str = "BROKER_URL"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Open it, and give back what a channel before it could not."""
        super().__init__(*arguments, **options)
        self.note = self._create_client().register_script(NOTE)
        self.back = self._create_client().register_script(GIVE_BACK)
        self.give_back_homeless()

    def give_back_homeless(self) -> None:
        """Put messages that no channel holds any more back to the front of their queues."""
        while _homeless:
            with kept_if_it_fails(_homeless) as message:
                self._give_back(message)

    def _give_back(self, message: Any) -> None:
        delivery = message.delivery_info
        raw = given_back(message._raw)  # noqa: SLF001 - as kombu's own
        raw["headers"]["redelivered"] = True
        priority = self._get_message_priority(raw, reverse=False)
        # A server that lost its data knows no bindings; our queues are called as their routing keys are.
        queues = self._lookup(delivery["exchange"], delivery["routing_key"]) or [delivery["routing_key"]]
        keys = [self.unacked_key, *(self._q_for_pri(queue, priority) for queue in queues)]
        self.back(keys=[self.unacked_index_key, *map(self.prefixed, keys)], args=[message.delivery_tag, dumps(raw)])

    def _put(self, queue: str, message: Mapping[str, Any], **options: Any) -> None:
        """Put a message into its queue, and see that a replica has it: without that it counts as not sent."""
        name = self.connection.client.hostname
        # Replies to remote control, whose queues expire, are not worth the wait.
        if options.get("_publish_batch") is not None or queue in self._expires or not demands_replicas(name):
            super()._put(queue, message, **options)
            return
        key, payload = self._q_for_pri(queue, self._get_message_priority(message, reverse=False)), dumps(message)
        client = self._create_client()
        with client.pipeline(transaction=False) as pipe:
            pipe.lpush(key, payload)
            pipe.execute_command("WAIT", 1, CONFIRM_WITHIN)
            _, replicas = pipe.execute()
        if not replicas:
            # Taken back, or each further try would add another. Whether it was still there proves nothing: by now this
            # may have asked the new primary, which never had it.
            client.lrem(self.prefixed(key), 1, payload)
            raise NoPrimaryError(f"no replica of {name!r} confirmed the message in time")

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        try:
            super()._queue_bind(exchange, routing_key, pattern, queue)
        except OutOfMemoryError:
            member = self.sep.join([routing_key or "", pattern or "", queue or ""])
            self._create_client().register_script(BIND)(keys=[self.keyprefix_queue % (exchange,)], args=[member])

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> SentinelConnectionPool:  # noqa: FBT002 - kombu's
        options = self._connparams(asynchronous)
        name, _ = options.pop("host"), options.pop("port")
        manager = Sentinels(**self.sentinels, variable=self.variable)
        # Kombu closes what it finds under these names.
        setattr(self, "_async_sentinel_manager" if asynchronous else "_sentinel_manager", manager)
        if asynchronous:
            # The event loop reads what has arrived. A second try would wait there for the next message, and with it
            # the whole worker: on a quiet subscription for ever.
            options["retry"] = Retry(NoBackoff(), 0)
        return primary_pool(name, manager, patience=self.patience, variable=self.variable, **options)

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except self.connection_errors as error:
            self._reconnect(self.client.connection, error)

    def _receive(self) -> Any:
        try:
            return super()._receive()
        except self.connection_errors as error:
            self._reconnect(self.subclient.connection, error)

    def _reconnect(self, connection: Any, error: Exception) -> None:
        """Forget a broken connection; the poller opens another before it waits again, which finds the new primary."""
        logger.warning("connection to the primary lost (%s); looking for the new one", error)
        if connection is not None:
            connection.disconnect()
        raise Empty from error


class Transport(redis.SentinelTransport):
    """Redis behind Sentinels."""

    Channel = Channel
