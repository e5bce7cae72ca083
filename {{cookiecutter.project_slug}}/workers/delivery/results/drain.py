"""Brings back to Redis what was kept while it was away: a duty of the relay, of which several may run.

Each entry is applied and then removed; applied twice it does no harm, so two relays that see the same one need not know
of each other.
"""

from collections.abc import Callable
from typing import Any, Final

import structlog
from celery import current_app, states
from redis import WatchError

from workers.brokers.redis.results import Backend
from workers.delivery.results.breaker import AwayError
from workers.delivery.results.journal import PART, RESULT, SENT, Entry

logger = structlog.get_logger(__name__)


def drain_once() -> int:
    """Bring everything back that can be; how many entries that were. While Redis is away: none.

    Raises what the library of the fallback store raises where that one is away.
    """
    backend = current_app.backend
    if not isinstance(backend, Backend):
        return 0
    journal = backend.keeper.journal
    journal.remove_expired()
    brought = 0
    try:
        brought += backend.fail_sizeless()
        for entry in journal.entries():
            if _applied(backend, entry):
                journal.remove([entry.handle])
                brought += 1
    except AwayError:
        pass  # the breaker has said so
    return brought


def _applied(backend: Backend, entry: Entry) -> bool:
    """Whether an entry is dealt with. One that cannot be is left until it expires, and does not hold up the others."""
    try:
        return APPLY[entry.kind](backend, entry)
    except Exception as error:
        if isinstance(error, AwayError) and not str(error.__cause__).startswith("WRONGTYPE"):
            raise  # nothing about this entry
        logger.exception("drain_failed", kind=entry.kind, key=entry.key, state=entry.state)
        return False


def _store(backend: Backend, entry: Entry) -> bool:
    """Store a result, unless Redis holds one that goes before it."""
    with backend.client.pipeline() as pipe:
        pipe.watch(entry.key)
        held, expires_in = pipe.get(entry.key), pipe.pttl(entry.key)
        if held and _goes_before(backend, backend.decode(held), expires_in / 1000, entry):
            return True
        pipe.multi()
        pipe.set(entry.key, entry.value, px=max(1, int(entry.lifetime * 1000)))
        try:
            pipe.execute()
        except WatchError:
            return False  # somebody stored another one meanwhile: next time
    return True


def _goes_before(backend: Backend, held: dict[str, Any], expires_in: float, entry: Entry) -> bool:
    """Whether what Redis holds is valid, and not the entry: a success, or what was stored later.

    How long ago it was stored follows from when it expires, all by the clock of Redis.
    """
    state = held.get("status", states.SUCCESS)  # a saved group has none, and never changes
    if state == states.SUCCESS:
        return True
    lifetime = backend.failure_expires if state == states.FAILURE else backend.expires
    age = lifetime - expires_in
    return bool(entry.state != states.SUCCESS and age < entry.age)


APPLY: Final[dict[str, Callable[[Backend, Entry], bool]]] = {
    RESULT: _store,
    PART: Backend.count_kept,
    SENT: Backend.note_sent,
}
