"""A message as it was: so that it can be sent again exactly."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from kombu.utils.json import dumps

#: Bytes of all headers together. On RabbitMQ they have to fit one frame of 128 KiB, with what is added to them here;
#: Celery's own take one or two thousand. Whoever sends more than this sends no task.
HEADERS_LIMIT: Final = 64_000
#: The properties that mean something to Celery or to a person. A time to live is not among them: a letter stays.
PROPERTIES: Final = (
    "content_type",
    "content_encoding",
    "correlation_id",
    "reply_to",
    "priority",
    "delivery_mode",
    "message_id",
    "timestamp",
    "type",
    "app_id",
)


@dataclass(frozen=True)
class Original:
    """A message: its bytes, its headers, and its properties by AMQP's names."""

    body: bytes
    headers: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, message: Any) -> "Original":
        """Of a kombu message, whichever broker it came from."""
        told = {
            **_mapping(message.properties),
            "content_type": message.content_type,
            "content_encoding": message.content_encoding,
        }
        headers = _mapping(message.headers)
        if not message.errors:
            headers.pop("compression", None)  # kombu has undone it
        return cls(
            body=_bytes(message.body or b"", message.content_encoding),
            headers=_bounded(headers),
            properties={name: told[name] for name in PROPERTIES if isinstance(told.get(name), str | int | datetime)},
        )

    @property
    def task(self) -> str:
        """The name of the task; empty where the message does not say."""
        return self._text("task")

    @property
    def task_id(self) -> str:
        """The id of the task; empty where the message does not say."""
        return self._text("id")

    def _text(self, name: str) -> str:
        value = self.headers.get(name)
        if value is None:
            with suppress(ValueError, AttributeError, RecursionError):  # Celery's first protocol has it in the body
                value = json.loads(self.body).get(name)
        return value if isinstance(value, str) else ""


def _mapping(told: Any) -> dict[str, Any]:
    """Whatever is claimed to be headers or properties."""
    return dict(told) if isinstance(told, Mapping) else {}


def _bytes(body: Any, encoding: Any) -> bytes:
    """The clients hand out bytes, text, memory or nothing; on Redis a body may be anything."""
    if isinstance(body, str):
        with suppress(LookupError, UnicodeError, TypeError):
            return body.encode(encoding or "utf-8")
        return body.encode("utf-8", "replace")
    return bytes(body) if isinstance(body, bytes | bytearray | memoryview) else dumps(body).encode()


def _bounded(headers: dict[str, Any]) -> dict[str, Any]:
    """The headers, the longest of them left out until they fit HEADERS_LIMIT."""
    sizes = {name: _size(name, value) for name, value in headers.items()}
    total = sum(sizes.values())
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if total <= HEADERS_LIMIT:
            break
        total -= sizes.pop(name)
    return {name: headers[name] for name in headers if name in sizes}


def _size(name: str, value: Any) -> int:
    try:
        return len(dumps({name: value}, ensure_ascii=False).encode(errors="replace"))
    except (TypeError, ValueError, RecursionError):  # nothing that could be kept
        return 10 * HEADERS_LIMIT
