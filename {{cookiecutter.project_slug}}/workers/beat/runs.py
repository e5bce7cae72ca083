"""The record of every slot: claimed before its task is sent, and what is made of the claims that a leader left."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import IntegrityError, connection
from django.db.models import Exists, Max, OuterRef, Q
from django.db.models.functions import Now

from workers.beat.lease import Tenure
from workers.beat.models import Entry, Lease, Run

logger = structlog.get_logger(__name__)

#: Seconds from due to sent that count as in time: what a fail-over may take.
PUNCTUAL: Final = timedelta(seconds=15)
#: After this long nobody is sending any more: every step of it is bounded well below.
SENDING: Final = timedelta(seconds=30)
#: How long the record of a run is kept: one that was sent in time, and one to look at. The last of an entry stays.
KEPT: Final = timedelta(days=2)
KEPT_REMARKABLE: Final = timedelta(days=30)

#: One statement, which is done or not done: the slot is ours if the lease is, if nobody has changed or disabled the
#: entry since we read it, and if nobody had the slot before. Django's own way would be three, in a transaction.
_CLAIM: Final = """
    INSERT INTO beat_run (name, due, state, count, reason, task_id, token, host, noted_at)
    SELECT beat_entry.name, %s, 'claimed', 1, '', %s, beat_lease.token, beat_lease.holder, %s
    FROM beat_entry, beat_lease
    WHERE beat_lease.id = %s AND beat_lease.token = %s AND beat_lease.expires_at > CURRENT_TIMESTAMP
      AND beat_entry.id = %s AND beat_entry.enabled AND beat_entry.revision = %s
    ON CONFLICT (name, due) DO NOTHING
"""


@dataclass(frozen=True)
class Slot:
    """One moment at which an entry is due, and the id its task is sent with: the same, however often it is tried."""

    entry: Entry
    due: datetime
    task_id: str


@dataclass(frozen=True)
class Gap:
    """Slots in a row that nobody sent."""

    entry: Entry
    count: int
    first: datetime
    last: datetime


def claim(slot: Slot, tenure: Tenure) -> bool:
    """Whether the slot is ours to send. False: the lease is over, the entry changed, or the slot was had before."""
    due, now = (connection.ops.adapt_datetimefield_value(moment) for moment in (slot.due, tenure.now()))
    with connection.cursor() as cursor:
        values = (due, slot.task_id, now, Lease.ROW, tenure.token, slot.entry.pk, slot.entry.revision)
        cursor.execute(_CLAIM, values)
        return bool(cursor.rowcount == 1)


def note_sent(slot: Slot, sent_at: datetime) -> None:
    """The broker has the task; this holds whatever was thought of the slot meanwhile."""
    late = sent_at - slot.due > PUNCTUAL
    state = Run.State.LATE if late else Run.State.SENT
    Run.objects.filter(name=slot.entry.name, due=slot.due).update(state=state, sent_at=sent_at, reason="")
    if late:
        seconds = round((sent_at - slot.due).total_seconds())
        logger.warning("periodic_task_late", entry=slot.entry.name, due=slot.due.isoformat(), seconds=seconds)


def note_failed(slot: Slot, state: Run.State, reason: str) -> None:
    """The claimed slot was not sent, or nobody knows whether it was (state DOUBTFUL)."""
    mine = Run.objects.filter(name=slot.entry.name, due=slot.due, state=Run.State.CLAIMED)
    if mine.update(state=state, reason=reason[:300]):
        _complain(slot.entry.name, slot.due, 1, state, reason)


def note_missed(gap: Gap, reason: str, tenure: Tenure) -> None:
    """Nobody sent the slots of the gap, and it is too late for them now."""
    run = Run(
        name=gap.entry.name,
        due=gap.last,
        state=Run.State.MISSED,
        count=gap.count,
        first_due=gap.first,
        reason=reason,
        token=tenure.token or 0,
        host=tenure.name,
        noted_at=tenure.now(),
    )
    try:
        run.save(force_insert=True)  # one statement, where bulk_create makes a transaction
    except IntegrityError:
        return  # noted before
    _complain(gap.entry.name, gap.last, gap.count, Run.State.MISSED, reason)


def give_back(slot: Slot, token: int) -> None:
    """The slot was claimed under `token` and not sent: whoever leads may send it, if nobody else has led since."""
    mine = Run.objects.filter(name=slot.entry.name, due=slot.due, state=Run.State.CLAIMED, token=token)
    deleted, _ = mine.filter(Exists(Lease.objects.filter(token=token))).delete()
    if not deleted:  # another leader may have passed it by
        note_failed(slot, Run.State.MISSED, "the scheduler was halted for longer than its lease")


def note_left_behind(tenure: Tenure) -> None:
    """Report the slots that an earlier leader claimed and said no more of: they are never sent again."""
    left = Run.objects.filter(state=Run.State.CLAIMED, noted_at__lt=tenure.now() - SENDING)
    reason = "the scheduler ended between its claim and the broker's confirm"
    for run in left:
        ours = Run.objects.filter(pk=run.pk, state=Run.State.CLAIMED)
        if ours.update(state=Run.State.DOUBTFUL, reason=reason):  # one of two schedulers reports it
            _complain(run.name, run.due, 1, Run.State.DOUBTFUL, f"{reason} ({run.host})")


def last_slots() -> dict[str, datetime]:
    """The last recorded slot of every entry, by name."""
    return dict(Run.objects.order_by().values_list("name").annotate(Max("due")))


def forget_old() -> None:
    """Delete what is older than is kept, but never the last run of an entry, from which its next slot is found."""
    newer = Run.objects.filter(name=OuterRef("name"), due__gt=OuterRef("due"))
    sent = Q(state=Run.State.SENT, due__lt=Now() - KEPT)
    Run.objects.filter(sent | Q(due__lt=Now() - KEPT_REMARKABLE)).filter(Exists(newer)).delete()


def _complain(name: str, due: datetime, count: int, state: Run.State, reason: str) -> None:
    event = "periodic_task_missed" if state == Run.State.MISSED else "periodic_task_doubtful"
    logger.error(event, entry=name, due=due.isoformat(), runs=count, reason=reason)
