"""Understands what stands in a queue of dead letters: ours, what RabbitMQ gave up by itself, and anything else."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from kombu.utils.json import loads

from workers.delivery import headers
from workers.delivery.dead.inbox import Taken, original_of
from workers.delivery.dead.letter import (
    HEADER,
    LARGEST,
    MESSAGE_LIMIT,
    NAME_LIMIT,
    TRACEBACK_LIMIT,
    Letter,
    attempts,
)
from workers.delivery.dead.original import Original
from workers.delivery.dead.values import moment, plain
from workers.derive.virtual_host import DELIVERY_LIMIT

#: RabbitMQ's reasons in our words; it has "rejected" and "maxlen" as well.
BROKERS_REASONS: Final = {"delivery_limit": "deliveries", "maxlen": "queue full"}
#: The reason of what no queue was found for; also of what somebody put there without a word.
UNROUTABLE: Final = "unroutable"
EXPIRED: Final = "expired"
REASON_LIMIT: Final = 40


def read(taken: Taken, group: str) -> Letter:
    """The letter; whatever it is, it is kept."""
    original = original_of(taken)
    told = _told(original)
    return _ours(original, told, group) if told else _brokers(original, group)


def _told(original: Original) -> Mapping[str, Any]:
    try:
        told = loads(original.headers[HEADER])
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _ours(original: Original, told: Mapping[str, Any], group: str) -> Letter:
    properties = told.get("properties")
    kept = {name: value for name, value in original.headers.items() if name != HEADER}
    return Letter(
        reason=plain(told.get("reason", ""), REASON_LIMIT),
        exception=plain(told.get("exception", ""), NAME_LIMIT),
        message=plain(told.get("message", ""), MESSAGE_LIMIT),
        traceback=plain(told.get("traceback", ""), TRACEBACK_LIMIT),
        attempts=min(headers.count(told, "attempts"), LARGEST),
        first_at=moment(told.get("first_at")),
        last_at=moment(told.get("last_at")),
        worker=plain(told.get("worker", ""), NAME_LIMIT),
        group=group,
        original=replace(original, headers=kept, properties=properties if isinstance(properties, dict) else {}),
    )


def _brokers(original: Original, group: str) -> Letter:
    """What no worker gave up: `x-death` says why RabbitMQ did, the newest first; what it could not route has none."""
    deaths = original.headers.get("x-death")
    death = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
    reason = str(death.get("reason", UNROUTABLE))
    return Letter(
        reason=plain(BROKERS_REASONS.get(reason, reason), REASON_LIMIT),
        exception="",
        message=_explanation(reason, death),
        traceback="",
        attempts=attempts(original) if death else 0,
        first_at=moment(original.headers.get(headers.FIRST_SENT)),
        last_at=moment(death.get("time")),
        worker="",
        group=group,
        original=original,
    )


def _explanation(reason: str, death: Mapping[str, Any]) -> str:
    if not death:
        return "the broker found no queue for it; or somebody put it here by hand"
    queue = plain(death.get("queue", ""), NAME_LIMIT)
    # How often is not said: x-delivery-count begins anew in this queue.
    often = f", after {DELIVERY_LIMIT} deliveries" if reason == "delivery_limit" else ""
    return f"RabbitMQ gave it up in {queue}: {plain(reason, REASON_LIMIT)}{often}"
