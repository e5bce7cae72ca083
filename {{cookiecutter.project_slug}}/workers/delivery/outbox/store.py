"""The table of what is not yet with the broker. All times are the database's: the clocks of two hosts never agree."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Final
from uuid import uuid4

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from workers.delivery.models.outbox import OutboxMessage
from workers.delivery.outbox.message import Message

#: Seconds that belong to the process which has written a row: it sends right after its commit, within two or three.
#: What a process leaves that died in between waits so long.
GRACE: Final = 10
#: Seconds for which a relay has what it took: twice what sending a batch may take.
LEASE: Final = 30
#: Messages a relay takes at a time.
BATCH: Final = 100


@dataclass(frozen=True)
class Written:
    """A row, as the process that wrote it knows it."""

    pk: int
    message: Message
    at: float

    def is_ours(self) -> bool:
        """Whether no relay has it: by our clock while it is young, after a long transaction by asking the table."""
        if monotonic() - self.at < GRACE / 2:
            return True
        row = OutboxMessage.objects.filter(pk=self.pk, claim="")
        return bool(row.update(due_at=Now() + timedelta(seconds=GRACE), claim=str(uuid4())))


def write(message: Message, *, ours: bool) -> Written:
    """Write a row, in the transaction if there is one. Not `ours`: any relay may send it as soon as it sees it."""
    at = monotonic()
    row = OutboxMessage(
        task=message.task,
        task_id=message.task_id,
        queue=message.queue,
        message=message.as_text(),
        written_at=Now(),
        due_at=Now() + timedelta(seconds=GRACE if ours else 0),
    )
    row.save(force_insert=True)
    return Written(row.pk, message, at)


def forget(pks: Iterable[int]) -> None:
    """Delete rows whose messages the broker has, in one statement: delete() makes a transaction of it."""
    OutboxMessage.objects.filter(pk__in=pks)._raw_delete("default")  # noqa: SLF001


def is_any_due() -> bool:
    """Whether there is anything to take: one short statement, which is all that a relay does most of the time."""
    return OutboxMessage.objects.filter(due_at__lte=Now()).exists()


def take() -> list[OutboxMessage]:
    """Take the oldest rows that are due, so that no other relay has them for LEASE seconds."""
    claim = str(uuid4())
    with transaction.atomic():
        due = OutboxMessage.objects.filter(due_at__lte=Now()).order_by("pk").select_for_update(skip_locked=True)
        pks = list(due.values_list("pk", flat=True)[:BATCH])
        _rows(pks).update(due_at=Now() + timedelta(seconds=LEASE), claim=claim)
    return list(_rows(pks).filter(claim=claim).order_by("pk"))


def hold(rows: Iterable[OutboxMessage]) -> None:
    """Keep what was taken for LEASE seconds more."""
    _rows(row.pk for row in rows).update(due_at=Now() + timedelta(seconds=LEASE))


def put_back(pks: Iterable[int], seconds: float, error: str = "", *, counts: bool = False) -> None:
    """Let any relay take the rows after so many seconds; `counts`: it was the message's own fault."""
    due_at = Now() + timedelta(seconds=seconds)
    _rows(pks).update(due_at=due_at, claim="", error=error[:500], tries=F("tries") + int(counts))


def oldest() -> tuple[int, float]:
    """How many messages wait, and for how many seconds the oldest has."""
    first = OutboxMessage.objects.annotate(now=Now()).first()
    return OutboxMessage.objects.count(), (first.now - first.written_at).total_seconds() if first else 0.0


def _rows(pks: Iterable[int]) -> QuerySet[OutboxMessage]:
    return OutboxMessage.objects.filter(pk__in=list(pks))
