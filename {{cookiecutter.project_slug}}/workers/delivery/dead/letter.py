"""What is kept of a message that was given up, and how it is put away: with the broker, so the database may be away."""

import traceback
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from socket import gethostname
from typing import Any, Final, Literal

from celery import Celery
from kombu.utils.json import dumps

from workers.delivery import headers
from workers.delivery.dead.original import Original
from workers.delivery.dead.values import moment, plain
from workers.delivery.outlet import publish
from workers.derive.broker import is_rabbitmq
from workers.derive.virtual_host import DEAD_EXCHANGE, dead_queue
from workers.process import group_name

Reason = Literal["failed", "lost", "time limit", "deliveries", "unknown task", "invalid", "not decodable", "too large"]

#: The header that a letter carries on the broker: all that is not in the message itself, as JSON.
HEADER: Final = "dead_letter"
#: Characters. Of a traceback the end is kept, where the error was raised: about a hundred frames.
NAME_LIMIT, MESSAGE_LIMIT, TRACEBACK_LIMIT = 255, 2_000, 8_000
#: What a plain integer of every database holds, one less.
LARGEST: Final = 2**31 - 2
#: Of a letter whose message carried none: kombu would take its bytes for something to serialise.
CONTENT_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True)
class Letter:
    """A message that was given up: why, after what, and the message."""

    reason: str
    """One of Reason; of what the broker gave up by itself, its word for that."""
    exception: str
    """The exception's class with its module; empty where there was none."""
    message: str
    traceback: str
    attempts: int
    """Runs that were begun, the last one included."""
    first_at: datetime | None
    """When the task was first sent; None where the message does not say."""
    last_at: datetime | None
    """When it was given up; None where nobody noted it."""
    worker: str
    group: str
    original: Original

    @classmethod
    def of_request(cls, request: Any, exc_info: Any | None, reason: Reason) -> "Letter":
        """Of a task that a worker ran, or was about to run; `exc_info`: billiard's ExceptionInfo, if there is one."""
        error = exc_info.exception if exc_info else None
        told = str(exc_info.traceback) if exc_info else ""
        return cls._of(request.message, reason, error, told, worker=request.hostname)

    @classmethod
    def of_message(cls, message: Any, reason: Reason, exc: BaseException | None = None) -> "Letter":
        """Of a message that never became a task."""
        told = "".join(traceback.format_exception(exc)) if exc else ""
        return cls._of(message, reason, exc, told, worker=f"{group_name() or 'worker'}@{gethostname()}")

    @classmethod
    def _of(cls, message: Any, reason: Reason, error: BaseException | None, told: str, *, worker: str) -> "Letter":
        original = Original.of(message)
        error = getattr(error, "exc", error)  # the pool wraps what crosses from a child
        return cls(
            reason=reason,
            exception=plain(_class_of(error), NAME_LIMIT),
            message=plain("" if error is None else error, MESSAGE_LIMIT),
            traceback=plain(told[-TRACEBACK_LIMIT:], TRACEBACK_LIMIT),
            attempts=attempts(original),
            first_at=moment(original.headers.get(headers.FIRST_SENT)),
            last_at=datetime.now(UTC),
            worker=plain(worker, NAME_LIMIT),
            group=group_name() or group_of(message),
            original=original,
        )

    def as_header(self) -> str:
        """All but the message, for HEADER."""
        told = {name: getattr(self, name) for name in TOLD}
        return dumps({**told, "properties": dict(self.original.properties)}, ensure_ascii=False)


#: What the header says, besides the properties of the message.
TOLD: Final = tuple(each.name for each in fields(Letter) if each.name != "original")


def send(letter: Letter, app: Celery) -> None:
    """Put the letter into GROUP.dead, and return once the broker has confirmed that it holds it.

    Raises NotSentError after about two seconds: then the message it was made of must be kept, and this tried again.
    """
    original = letter.original
    rabbitmq = is_rabbitmq(app.conf.broker_url)
    publish(
        app,
        exchange=DEAD_EXCHANGE if rabbitmq else "",
        routing_key=letter.group if rabbitmq else dead_queue(letter.group),
        body=original.body,
        content_type=str(original.properties.get("content_type") or CONTENT_TYPE),
        content_encoding=str(original.properties.get("content_encoding") or "binary"),
        headers={**original.headers, HEADER: letter.as_header()},
    )


def attempts(original: Original) -> int:
    """Runs of a task that were begun, by what its message says; one of them ended just now."""
    told = sum(headers.count(original.headers, name) for name in ("retries", headers.LOSSES))
    return min(told, LARGEST) + 1


def group_of(message: Any) -> str:
    """The group whose queue a message came from; one that had a countdown carries the delay before its name."""
    told = message.delivery_info
    key = told.get("routing_key") if isinstance(told, dict) else ""
    return plain(key or "", NAME_LIMIT).rpartition(".")[2]


def _class_of(error: BaseException | None) -> str:
    if error is None:
        return ""
    # Of an exception that cannot be pickled the pool sends a stand-in, which knows its name.
    module = getattr(error, "exc_module", None) or type(error).__module__
    name = getattr(error, "exc_cls_name", None) or type(error).__qualname__
    return name if module == "builtins" else f"{module}.{name}"
