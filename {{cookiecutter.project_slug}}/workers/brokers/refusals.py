"""What a broker that is there, and takes no messages, is to the sender: an error that says what to do, and soon.

All of them are kombu's OperationalError, which is what whoever cares already catches: the task was not sent.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from kombu.exceptions import OperationalError
from redis.exceptions import OutOfMemoryError

T = TypeVar("T")

#: Seconds after which it is worth trying again, where nothing better is known: about as long as a person waits.
RETRY_AFTER: Final = 10


class BrokerRefusesError(OperationalError):
    """The broker answers, and takes no message now; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int = RETRY_AFTER) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BrokerBlockedError(BrokerRefusesError):
    """The broker takes no message at all: its memory or its disk is full."""

    @classmethod
    def by_alarm(cls) -> "BrokerBlockedError":
        """RabbitMQ's way: it says "blocked", and reads no further until the alarm is over."""
        return cls(
            "RabbitMQ takes no messages: an alarm for memory or disk is set on a node, which `python -m workers "
            "brokers status` names; free memory or disk there, or let the workers empty the queues"
        )

    @classmethod
    def by_memory(cls, error: OutOfMemoryError) -> "BrokerBlockedError":
        """Redis' way: each command that writes is an error."""
        return cls(
            f"Redis takes no messages: its memory is full ({error}); `python -m workers brokers status` shows what "
            "waits; let the workers empty the queues, or raise maxmemory"
        )


class QueueFullError(BrokerRefusesError):
    """The queue is full, or has more waiting than its senders bear."""

    def __init__(self, queue: str, why: str, retry_after: int = RETRY_AFTER) -> None:
        super().__init__(f"the queue {queue!r} takes no more tasks: {why}", retry_after)
        self.queue = queue
        self._why = why

    def __reduce__(self) -> tuple[type["QueueFullError"], tuple[str, str, int]]:
        """Let a child send it to its worker, which would make it anew from its message, fail at that, and end."""
        return type(self), (self.queue, self._why, self.retry_after)


def sent(send: Callable[..., T], task_id: str | None) -> T:
    """Send a task, with a clear error where Redis' memory is full; kombu wraps what Redis says in its own."""
    try:
        return send(task_id=task_id)
    except (OutOfMemoryError, OperationalError) as error:
        for cause in (error, error.__cause__):
            if isinstance(cause, OutOfMemoryError):
                raise BrokerBlockedError.by_memory(cause) from error
        raise
