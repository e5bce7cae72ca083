"""What a message on Redis is, whoever wrote it: one that comes back is counted, one that is none ends no worker."""

from base64 import b64encode
from queue import Empty
from typing import Any, Final
from uuid import uuid4

from kombu.transport import virtual
from kombu.utils.json import dumps, loads

from workers.delivery.headers import DELIVERIES, counted
from workers.delivery.size import refuse_large
from workers.derive.queues import EXCHANGE

#: Of what was found in a queue and is no message: bytes that nobody knows more about.
UNKNOWN: Final = {"content-type": "application/data", "content-encoding": "binary"}


class Message(virtual.Message):
    """A message. What cannot be read as one becomes one without a task, which the worker then refuses as such."""

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        """Read it; `payload` is what was in the queue, from JSON where it was that."""
        try:
            _refuse_unusable(payload)
            super().__init__(payload, channel=channel, **options)
        except Exception:  # noqa: BLE001 - whatever it is, it has been taken off the queue: raised here, it would be gone
            queue = next(iter(channel.active_queues), "")
            super().__init__(_wrapped(payload, _tag_of(payload), queue), channel=channel)


class Tolerant:
    """A channel's part in it, to be mixed into kombu's."""

    Message = Message

    def _inplace_augment_message(self, message: Any, exchange: str, routing_key: str) -> None:
        """Make a message ready to be put into a queue; raises MessageTooLargeError."""
        refuse_large(message["body"], message["headers"])
        super()._inplace_augment_message(message, exchange, routing_key)  # type: ignore[misc]

    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> list[str]:
        """The queues a message goes to. A Redis that lost its data knows no bindings; kombu would drop the message."""
        found: list[str] = super()._lookup(exchange, routing_key, default)  # type: ignore[misc]
        # Each of our queues is bound to our exchange by its own name, and tasks of no group are refused before.
        return found or ([routing_key] if exchange == EXCHANGE else found)

    def _do_restore_message(self, payload: Any, *arguments: Any, **options: Any) -> None:
        """Put a message back: after the visibility timeout, when it is rejected, or when its channel is closed.

        Raises ValueError where it is none.
        """
        try:
            _refuse_unusable(payload)
        except (KeyError, TypeError) as error:
            raise ValueError("this is no message") from error
        super()._do_restore_message(given_back(payload), *arguments, **options)  # type: ignore[misc]

    def _brpop_read(self: Any, **options: Any) -> bool:
        """Read the answer to BRPOP. As kombu's, except for what is no JSON, which would end the worker, and be gone."""
        connection = self.client.connection
        try:
            try:
                answer = self.client.parse_response(connection, "BRPOP", **options)
            except self.connection_errors:
                connection.disconnect()
                raise
            if not answer:
                raise Empty
            key, item = answer
            queue = _text(key).rsplit(self.sep, 1)[0]
            self._queue_cycle.rotate(queue)
            self.connection._deliver(_read(item), queue)  # noqa: SLF001 - as kombu's own
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()


def given_back(payload: Any) -> dict[str, Any]:
    """The message as it goes back to its queue, counted; `payload` is what `Message` was made of."""
    headers = payload.get("headers")
    return {**payload, "headers": counted(headers if isinstance(headers, dict) else {}, DELIVERIES)}


def tagged(item: bytes, tag: str, queue: str) -> dict[str, Any]:
    """The message in `item`, found in `queue`, under a delivery tag of the taker's: two with one tag would be one."""
    payload = _read(item)
    try:
        payload["properties"]["delivery_tag"] = tag
    except (KeyError, TypeError):
        return _wrapped(payload, tag, queue)
    found: dict[str, Any] = payload
    return found


def _read(item: bytes) -> Any:
    try:
        return loads(item.decode())
    except (ValueError, RecursionError):
        return item


def _text(key: bytes | str) -> str:
    return key.decode() if isinstance(key, bytes) else key


def _refuse_unusable(payload: Any) -> None:
    """Raise where the transport's own fields are missing, or it could not note or give back the message by them."""
    tag, place = payload["properties"]["delivery_tag"], payload["properties"]["delivery_info"]
    if not all(isinstance(part, str) for part in (tag, place["exchange"], place["routing_key"])):
        raise TypeError("delivery_tag, exchange and routing_key are text")


def _tag_of(payload: Any) -> str:
    """The delivery tag, under which it may have been noted as held; a new one where there is none."""
    try:
        tag = payload["properties"]["delivery_tag"]
    except (KeyError, TypeError):
        tag = None
    return tag if isinstance(tag, str) else str(uuid4())


def _wrapped(payload: Any, tag: str, queue: str) -> dict[str, Any]:
    """A message around what is none."""
    body = payload if isinstance(payload, bytes) else dumps(payload).encode()
    return {
        **UNKNOWN,
        "headers": {},
        "body": b64encode(body).decode(),
        "properties": {
            "body_encoding": "base64",
            "delivery_tag": tag,
            "delivery_info": {"exchange": "", "routing_key": queue},
        },
    }
