"""The claim that the running function holds."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from workers.delivery.idempotency.database import DatabaseStore
from workers.delivery.idempotency.stores import ClaimLostError, Store
from workers.delivery.plain import NotStorableError, as_json


@dataclass
class Held:
    """A claim that was taken, for as long as the function runs."""

    store: Store
    key: str
    token: int
    """Higher than that of each holder before: give it to whoever can refuse a lower one."""
    ttl: float
    """Seconds for which the end is kept."""
    _result: str = field(default="", init=False)
    _completed: bool = field(default=False, init=False)

    def verify(self) -> None:
        """Raise ClaimLostError if somebody else may have begun.

        In the database, and so inside a transaction, which must be open: until it ends nobody takes the claim over.
        """
        self._require_transaction("verify")
        if not self.store.verify(self.key, self.token):
            raise ClaimLostError(f"the claim {self.key} is no longer ours")

    def complete(self, result: Any = None) -> Any:
        """Note `result` inside the open transaction, which then holds the work and its end: both, or neither.

        Gives `result` back, for the function to return. Raises ClaimLostError, which rolls the transaction back, if
        somebody else may have begun, and NotStorableError.
        """
        self._require_transaction("complete")
        stored = as_json(result, "the result")
        self._end(stored)
        transaction.on_commit(self._note_commit)
        self._result = stored
        return result

    def finish(self, result: Any) -> Any:
        """Note what the function returned, unless that is done; gives it back as the next caller will get it.

        Raises as `complete`. A result that cannot be kept counts as none: what the function did is done.
        """
        if self._completed:
            return json.loads(self._result)
        try:
            stored = as_json(result, "the result")
        except NotStorableError:
            self._end("")
            raise
        self._end(stored)
        return json.loads(stored)

    def fail(self) -> None:
        """Let the next try have the claim, if it is still ours."""
        self.store.fail(self.key, self.token, self.ttl)

    def _end(self, stored: str) -> None:
        if not self.store.complete(self.key, self.token, stored, self.ttl):
            raise ClaimLostError(f"the claim {self.key} is no longer ours")

    def _note_commit(self) -> None:
        self._completed = True

    def _require_transaction(self, method: str) -> None:
        if not isinstance(self.store, DatabaseStore):
            raise TypeError(f"claim().{method}() commits with the work, which takes store='database'")
        if not transaction.get_connection().in_atomic_block:
            raise TypeError(f"claim().{method}() belongs inside `with transaction.atomic():`, around the work as well")


_current: ContextVar[Held | None] = ContextVar("claim", default=None)


def claim() -> Held:
    """The claim of the function that runs; raises LookupError where none decorated with @idempotent does."""
    held = _current.get()
    if held is None:
        raise LookupError("no claim is held: claim() is for a function decorated with @idempotent, while it runs")
    return held


@contextmanager
def holding(held: Held) -> Iterator[None]:
    """Make `held` what claim() gives, until the block ends."""
    before = _current.set(held)
    try:
        yield
    finally:
        _current.reset(before)
