"""The journal in the database."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any, Final, TypeVar

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet
from django.db.models.functions import Now

from workers.delivery.models.results import KeptResult
from workers.delivery.results.bounded import bounded
from workers.delivery.results.journal import RESULT, Entry

ALIAS: Final = "default"
#: Rows that are read at once: results are kilobytes, so some hundred of them.
PAGE: Final = 100

T = TypeVar("T")


class Table:
    """Rows of KeptResult. All times are the database's."""

    def within(self, seconds: float, work: Callable[[], T]) -> T:
        """Run `work` on this thread's own connection: the database's limit counts one a slot, not two.

        Inside a transaction on one of its own: what is written must not go with a rollback.
        """
        own = connections[ALIAS]
        if own.in_atomic_block:
            return bounded(partial(_and_close, work), seconds)
        was_open = own.connection is not None
        own.inc_thread_sharing()
        del connections[ALIAS]  # should it never come back, the next query of this thread opens another
        try:
            return bounded(partial(_on, own, work), seconds)
        except TimeoutError:
            own = connections[ALIAS]
            raise
        finally:
            connections[ALIAS] = own
            if own.allow_thread_sharing:
                own.dec_thread_sharing()
            if not was_open:
                own.close()  # a worker's main process must not hand an open one down to its children

    def add(self, entry: Entry) -> None:
        """Write down an entry."""
        expires_at: Any = Now() + timedelta(seconds=entry.lifetime)
        KeptResult(kind=entry.kind, key=entry.key, state=entry.state, value=entry.value, expires_at=expires_at).save(
            force_insert=True
        )

    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not KeptResult.objects.exists()

    def find(self, keys: Iterable[str]) -> list[Entry]:
        """The results under these keys; several under one, perhaps."""
        return list(_read(KeptResult.objects.filter(kind=RESULT, key__in=keys)))

    def entries(self) -> Iterator[Entry]:
        """All that has not expired, in the order in which it was written."""
        last = 0
        while page := list(islice(_read(KeptResult.objects.filter(pk__gt=last).order_by("pk")), PAGE)):
            yield from page
            last = page[-1].handle

    def remove(self, handles: Iterable[Any]) -> None:
        """Remove these; those that are gone already are nothing to complain about."""
        KeptResult.objects.filter(pk__in=handles).delete()

    def remove_expired(self) -> None:
        """Remove what nobody is to see any more."""
        KeptResult.objects.filter(expires_at__lte=Now()).delete()


def _read(rows: QuerySet[KeptResult]) -> Iterator[Entry]:
    for row in rows.filter(expires_at__gt=Now()).annotate(now=Now()):
        yield Entry(
            kind=row.kind,  # type: ignore[arg-type]  # only `add` writes it
            key=row.key,
            state=row.state,
            value=bytes(row.value),
            lifetime=(row.expires_at - row.now).total_seconds(),
            age=(row.now - row.kept_at).total_seconds(),
            handle=row.pk,
        )


def _on(connection: BaseDatabaseWrapper, work: Callable[[], T]) -> T:
    connections[ALIAS] = connection
    connection.close_if_unusable_or_obsolete()  # the database may have been restarted since the task began
    return work()


def _and_close(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        connections[ALIAS].close()
