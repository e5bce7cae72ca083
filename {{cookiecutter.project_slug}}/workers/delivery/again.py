"""Sends a task's message again as it was, from a worker's main process: bounded, and without running anybody's code."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Final

from celery import Celery
from kombu.transport.native_delayed_delivery import MAX_LEVEL, calculate_routing_key, level_name

from workers.delivery.dead.letter import group_of
from workers.delivery.dead.original import Original
from workers.delivery.outlet import publish
from workers.derive.broker import is_rabbitmq
from workers.derive.queues import EXCHANGE

#: Headers that a broker adds. A copy that carried them would look as if it had been given up before.
BROKERS_OWN: Final = "x-"


def send_again(message: Any, app: Celery, changed: Mapping[str, Any], pause: float = 0) -> None:
    """Send a copy of `message`, with some headers changed, due in `pause` seconds; the original is left as it is.

    Raises NotSentError after about two seconds.
    """
    original = Original.of(message)
    kept = {name: value for name, value in original.headers.items() if not name.startswith(BROKERS_OWN)}
    headers = {**kept, **changed}
    if pause:
        headers["eta"] = (datetime.now(UTC) + timedelta(seconds=pause)).isoformat()
    way = _way(group_of(message), ceil(pause), is_rabbitmq(app.conf.broker_url))
    publish(app, body=original.body, headers=headers, **original.properties, **way)


def _way(queue: str, pause: int, rabbitmq: bool) -> dict[str, str]:
    """Exchange and routing key. On Redis a task that is to wait is in its queue, and the worker waits."""
    if not rabbitmq:
        return {"exchange": "", "routing_key": queue}
    if not pause:
        return {"exchange": EXCHANGE, "routing_key": queue}
    return {"exchange": level_name(MAX_LEVEL), "routing_key": calculate_routing_key(pause, queue)}
