"""What a task's message says of its own past, in headers that survive retries, losses and replays."""

from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final

from celery import signals

#: Times that a process died under the task; workers/delivery/request.py counts.
LOSSES: Final = "losses"
#: Times that the message came back unfinished: on Redis each time, as RabbitMQ counts in `x-delivery-count`, and on
#: both where a worker that stopped sent it again.
DELIVERIES: Final = "deliveries"
#: When the task was first sent: ISO 8601, UTC.
FIRST_SENT: Final = "first_sent"
#: Times that an operator sent it again after it was given up.
REPLAYS: Final = "replays"
ALL: Final = (LOSSES, DELIVERIES, FIRST_SENT, REPLAYS)


def connect() -> None:
    """Have each message say when it was first sent."""
    signals.before_task_publish.connect(_stamp)


def count(headers: Mapping[str, Any] | None, name: str) -> int:
    """What the header `name` counts; 0 where it is missing or lies."""
    value = (headers or {}).get(name)
    return value if isinstance(value, int) and value > 0 else 0


def counted(headers: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The headers with `name` counted one up."""
    return {**headers, name: count(headers, name) + 1}


def _stamp(headers: MutableMapping[str, Any], **_: object) -> None:
    if FIRST_SENT not in headers:  # a retry keeps what it had
        headers[FIRST_SENT] = datetime.now(UTC).isoformat()
