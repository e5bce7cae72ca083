"""A running task's checkpoint."""

import json
from contextlib import suppress
from functools import cache
from time import monotonic
from typing import Any, Final

import structlog
from celery.exceptions import Ignore
from django.db import DatabaseError, connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from workers.delivery.clock import in_sql
from workers.delivery.models.checkpoints import Checkpoint
from workers.delivery.plain import as_json
from workers.delivery.stopping import announced

#: Begins a run: gives it a number above all before it, and the state to go on with.
BEGIN: Final = """
INSERT INTO delivery_checkpoint (key, task, run, state, begun_at, saved_at)
VALUES (%s, %s, {token}, 'null', {now}, {now})
ON CONFLICT (key) DO UPDATE SET
    run = {higher}(excluded.run, delivery_checkpoint.run + 1), begun_at = excluded.begun_at
RETURNING run, state
"""

logger = structlog.get_logger(__name__)


class OvertakenError(Ignore):
    """A later run of the task goes on; this one was presumed dead. It ends here, and its message with it."""


class StopAskedError(Exception):
    """The worker stops: leave the block, so that the state is saved and another worker goes on."""


class Point:
    """Where a task is, and where its next run would begin. `checkpoint()` makes it."""

    def __init__(self, key: str, task: str, *, seconds: float, items: int | None, may_stop: bool) -> None:
        self._key = key
        self._seconds = seconds
        self._items = items
        self.may_stop = may_stop
        """Whether to leave when the worker stops: somebody must be there to go on."""
        self._run, self._begun_with = _begin(key, task)
        self.state: Any = json.loads(self._begun_with)
        """What the run before this one saved; None for the first run."""
        self._unsaved: str | None = None
        self._new = 0
        self._due = monotonic() + seconds

    def reached(self, state: Any) -> None:
        """Note that all up to `state` is done for good; call it outside transactions, for each item or some of them.

        Written every few seconds or items, at a failure, and when the worker stops, by leaving the block. Raises
        OvertakenError, and NotStorableError for what is no JSON of at most 64 KiB.
        """
        self._unsaved = as_json(state, "the state of a checkpoint")
        self._new += 1
        if self._is_due():
            self._write(self._unsaved)
        self.leave_if_asked()

    def save(self, state: Any) -> None:
        """Write `state` now. In the transaction of what it stands for, both are done or neither is.

        Raises as `reached`, which rolls the transaction back. Call `leave_if_asked` after it.
        """
        self._write(as_json(state, "the state of a checkpoint"))

    def leave_if_asked(self) -> None:
        """Leave the block if the worker stops."""
        if self.may_stop and announced():
            raise StopAskedError

    def keep(self) -> None:
        """Write what was reached, as well as that goes, because the run ends early."""
        if not connection.in_atomic_block:
            connection.close()  # what ended it may have cut a statement in half
        if self._unsaved is None:
            return
        try:
            with suppress(OvertakenError):
                self._write(self._unsaved)
        except DatabaseError as error:
            logger.warning("checkpoint_not_saved", key=self._key, error=str(error))

    def has_moved(self) -> bool:
        """Whether the next run would begin elsewhere than this one did."""
        return self._ours().exclude(state=self._begun_with).exists()

    def remove(self) -> None:
        """Forget it: the task is done."""
        if not self._ours().delete()[0]:
            raise self._overtaken()

    def _is_due(self) -> bool:
        return monotonic() >= self._due or (self._items is not None and self._new >= self._items)

    def _write(self, state: str) -> None:
        if not self._ours().update(state=state, saved_at=Now()):
            raise self._overtaken()
        self._unsaved, self._new, self._due = None, 0, monotonic() + self._seconds

    def _ours(self) -> QuerySet[Checkpoint]:
        return Checkpoint.objects.filter(pk=self._key, run=self._run)

    def _overtaken(self) -> OvertakenError:
        logger.warning("checkpoint_overtaken", key=self._key)
        return OvertakenError(f"a later run goes on with {self._key}")


def _begin(key: str, task: str) -> tuple[int, str]:
    with connection.cursor() as cursor:
        cursor.execute(_statement(connection.vendor), [key, task])
        run, state = cursor.fetchone()
    return run, state


@cache
def _statement(_vendor: str) -> str:
    return in_sql(BEGIN)
