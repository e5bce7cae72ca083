"""What is written into the outbox: a message, made by Celery as any other, and kept instead of sent."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from celery import Celery
from kombu import Producer
from kombu.exceptions import EncodeError
from kombu.serialization import dumps
from kombu.transport.native_delayed_delivery import MAX_LEVEL, calculate_routing_key, level_name
from kombu.utils import json as kombu_json

from workers.delivery.size import refuse_large
from workers.derive.broker import is_rabbitmq
from workers.derive.routes import UnroutedTaskError

#: The exchange of Celery's events, of which one goes with each task where they are on.
EVENTS: Final = "celeryev"
#: What says how a publish is to be tried, not what it is: whoever sends it decides that. RabbitMQ would give up what
#: expires in a queue; workers look at the header.
_REPRS: Final = ("argsrepr", "kwargsrepr")  # headers, which Celery hands on as properties, too
_HOW: Final = ("retry", "retry_policy", "declare", "exchange", "timeout", "confirm_timeout", "expiration", *_REPRS)


class NotDurableError(TypeError):
    """A durable task was sent with something that cannot be kept; nothing was written and nothing sent."""


class ExpiredError(Exception):
    """The message's time has run out before it could be sent."""


@dataclass(frozen=True)
class Message:
    """A message of a task, all but its way: the queue may have moved by the time it is sent."""

    task: str
    task_id: str
    queue: str
    body: str
    content_type: str
    content_encoding: str
    headers: dict[str, Any]
    properties: dict[str, Any]

    @classmethod
    def of(cls, body: Any, *, headers: dict[str, Any], serializer: str, routing_key: str, **options: Any) -> "Message":
        """Of what Celery publishes; raises NotDurableError where it cannot be kept as text, MessageTooLargeError."""
        name = headers["task"]
        try:
            content_type, content_encoding, text = dumps(body, serializer)
        except EncodeError as error:
            raise NotDurableError(
                f"{name} was sent with arguments that cannot be kept as {serializer}: {error}"
            ) from error
        if not isinstance(text, str):
            raise NotDurableError(f"{name} was sent as {serializer}, which is no text; durable tasks are sent as json")
        refuse_large(text, headers)
        return cls(
            task=name,
            task_id=headers["id"],
            queue=routing_key.rpartition(".")[2],  # before it stands the delay, if there is one
            body=text,
            content_type=content_type,
            content_encoding=content_encoding,
            headers=headers,
            properties={key: value for key, value in options.items() if key not in _HOW and value is not None},
        )

    @classmethod
    def from_text(cls, text: str) -> "Message":
        """As it was written by `as_text`."""
        return cls(**kombu_json.loads(text))

    def as_text(self) -> str:
        """As JSON; raises NotDurableError where a header is none."""
        try:
            return str(kombu_json.dumps(asdict(self)))
        except (TypeError, ValueError) as error:
            raise NotDurableError(f"{self.task} was sent with headers that are not JSON: {error}") from error

    def publish(self, producer: Producer, app: Celery, **how: Any) -> None:
        """Publish it: to where its queue is now, and as late as is left of its countdown.

        Raises ExpiredError, UnroutedTaskError, and what publishing raises.
        """
        left = _seconds_until(self.headers.get("expires"))
        if left is not None and left <= 0:
            raise ExpiredError(f"{self.task} expired {-left:.0f} s ago")
        producer.publish(
            self.body,
            content_type=self.content_type,
            content_encoding=self.content_encoding,
            headers=dict(self.headers),
            **{**self.properties, **self._way(app), **how},
        )

    def _way(self, app: Celery) -> dict[str, Any]:
        queue = app.amqp.queues.get(self.queue) or app.amqp.router.route({}, self.task).get("queue")
        if queue is None:
            raise UnroutedTaskError(f"there is no queue {self.queue!r} any more, and no group claims {self.task!r}")
        wait = _seconds_until(self.headers.get("eta")) or 0
        if wait >= 1 and is_rabbitmq(app.conf.broker_url):
            key = calculate_routing_key(int(wait), queue.routing_key)
            return {"exchange": level_name(MAX_LEVEL), "routing_key": key}
        return {"exchange": queue.exchange.name, "routing_key": queue.routing_key, "declare": [queue]}


class Recorder:
    """Stands in for a producer: Celery does all that it does when it sends a task, and the message is kept here."""

    serializer = None

    def __init__(self, app: Celery) -> None:
        pool: Any = app.pool
        self.connection = pool.connection  # a template, which is not connected
        self.message: Message | None = None
        self.events: list[tuple[Any, dict[str, Any]]] = []

    def publish(self, body: Any, **options: Any) -> None:
        """Keep a task's message, or the event that goes with it."""
        if options.get("exchange") == EVENTS:
            self.events.append((body, options))
        else:
            self.message = Message.of(body, **options)


def _seconds_until(moment: str | None) -> float | None:
    if not moment:
        return None
    found = datetime.fromisoformat(moment)
    return (found.replace(tzinfo=found.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
