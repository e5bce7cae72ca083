"""Celery's store of results in Redis: every wait is bounded, and what Redis cannot take is kept elsewhere meanwhile.

`result_backend` names one of the two: workers.brokers.redis.results:Backend+redis://...
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final

from celery import states
from celery.backends.base import SyncBackendMixin
from celery.backends.redis import SentinelBackend as CelerySentinelBackend
from kombu.utils.encoding import bytes_to_str, ensure_bytes
from redis import (
    ConnectionError,  # noqa: A004 - the client's own, not Python's
    ConnectionPool,
)
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.brokers.redis.chords import Chords
from workers.brokers.redis.connection import KEEPALIVE, PrimaryTLSConnection, primary_pool
from workers.brokers.redis.guard import Guarded, breaker
from workers.brokers.redis.sentinels import Sentinels
from workers.delivery.results.breaker import AwayError
from workers.delivery.results.journal import RESULT, Entry
from workers.delivery.results.keeper import Keeper, open_journal
from workers.delivery.results.waiting import looks

#: Seconds a result waits for a primary to come back, before it is kept elsewhere.
PATIENCE: Final = 1.0


class Backend(SyncBackendMixin, Chords):
    """Results in a Redis that a URL names.

    While it is away final states and saved groups are kept in the fallback store, and read from there; passing states
    (STARTED, RETRY, a task's own) are not stored, and a state that is nowhere to be found is PENDING, as Celery has it.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        """Nothing is connected yet."""
        super().__init__(*args, **options)
        self.thread_safe = True  # or each thread has its own; a greenlet is one, so each task would connect anew
        self.guard = breaker("the Redis of results (RESULT_URL)")
        self.keeper = Keeper(partial(open_journal, **self._transport_options["fallback"]))

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Subscribe to nothing: see waiting.py. Sending a task must not wait for the store of results either."""

    def ensure(self, fun: Any, args: Any, **_: Any) -> Any:
        """Call `fun` once: redis-py has tried again where that helps."""
        return fun(*args)

    def get(self, key: bytes) -> Any:
        """What is stored under a key, here or there: a saved group."""
        held = self._held(key)
        return self._reconciled([key], [held])[0]

    def mget(self, keys: list[bytes]) -> list[Any]:
        """The same for several keys."""
        try:
            held = super().mget(keys)
        except AwayError:
            held = [None] * len(keys)
        return self._reconciled(keys, held)

    def delete(self, key: bytes) -> None:
        """Forget what is stored under a key. Raises AwayError where that is not possible now."""
        super().delete(key)
        if self.keeper.recall([bytes_to_str(key)]):
            self.keeper.forget(bytes_to_str(key))

    def get_task_meta(self, task_id: str, cache: bool = True) -> Any:  # noqa: FBT002 - Celery's signature
        """What is known of a task, here or there."""
        meta = super().get_task_meta(task_id, cache)
        if meta["status"] in states.READY_STATES:
            return meta
        kept = self._reconciled([self.get_key_for_task(task_id)], [None])[0]
        return self.decode_result(kept) if kept else meta

    def wait_for(  # `interval` and `no_ack` are Celery's
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float = 0,  # noqa: ARG002
        no_ack: bool = True,  # noqa: ARG002, FBT002
        on_interval: Any = None,
    ) -> Any:
        """What is known of a task when it is done. Raises celery.exceptions.TimeoutError."""
        for _look in looks(timeout, f"task {task_id} was"):
            meta = self.get_task_meta(task_id)
            if meta["status"] in states.READY_STATES:
                return meta
            if on_interval:
                on_interval()
        return None

    def get_many(
        self, task_ids: Iterable[str], timeout: float | None = None, max_iterations: int | None = None, **options: Any
    ) -> Iterator[tuple[str, Any]]:
        """What is known of several tasks, as they are done. Raises celery.exceptions.TimeoutError."""
        waiting = {bytes_to_str(task_id) for task_id in task_ids}
        options["interval"] = 0
        for number, _look in enumerate(looks(timeout, f"{len(waiting)} tasks were"), start=1):
            for task_id, meta in super().get_many(set(waiting), max_iterations=1, **options):
                waiting.discard(task_id)
                yield task_id, meta
            if not waiting or number == max_iterations:
                return

    def _get_task_meta_for(self, task_id: str) -> Any:
        # Asked before each result is stored, too: does not look elsewhere.
        held = self._held(self.get_key_for_task(task_id))
        return self.decode_result(held) if held else {"status": states.PENDING, "result": None}

    def _held(self, key: bytes) -> Any:
        try:
            return self.client.get(key)
        except AwayError:
            return None

    def _reconciled(self, keys: list[bytes], held: list[Any]) -> list[Any]:
        kept = self.keeper.recall([bytes_to_str(key) for key in keys])
        if not kept:
            return held
        return [self._valid(value, kept.get(bytes_to_str(key))) for key, value in zip(keys, held, strict=True)]

    def _valid(self, held: Any, kept: Entry | None) -> Any:
        """Of what is held here and kept there: what holds until the drain has brought them together."""
        if kept is None or (held and self.decode(held).get("status") in (None, *states.READY_STATES)):
            return held
        return kept.value

    def _set_with_state(self, key: bytes, value: Any, state: str) -> Any:
        try:
            return super()._set_with_state(key, value, state)
        except AwayError as away:
            if state in states.READY_STATES:
                lifetime = self.failure_expires if state == states.FAILURE else self.expires
                self.keeper.keep(Entry(RESULT, bytes_to_str(key), state, ensure_bytes(value), lifetime), away)
            return None

    def _set(self, key: bytes, value: Any, expires: int | None = None) -> None:
        self.client.set(key, value, ex=self.expires if expires is None else expires)  # and nobody listens: no PUBLISH

    def _create_client(self, **options: Any) -> Guarded:
        return Guarded(self.guard, connection_pool=self._get_pool(**options))

    def _get_pool(self, **options: Any) -> ConnectionPool:
        # A second try for a connection that was lost while it lay idle; a silent server is not asked twice.
        once_more = Retry(NoBackoff(), 1, (ConnectionError,))
        return ConnectionPool(**options, retry=once_more, socket_keepalive_options=KEEPALIVE)


class SentinelBackend(Backend, CelerySentinelBackend):
    """Results in Redis behind Sentinels. The URL's host name is the name of the primary."""

    connection_class_ssl = PrimaryTLSConnection

    def _get_pool(self, **options: Any) -> ConnectionPool:
        name = options.pop("hosts")[0]["host"]
        sentinels = Sentinels(**self._transport_options["sentinels"], variable="RESULT_URL")
        return primary_pool(name, sentinels, variable="RESULT_URL", patience=PATIENCE, **options)
