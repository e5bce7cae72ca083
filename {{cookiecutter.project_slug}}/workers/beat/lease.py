"""Who schedules: a lease in the database, with a number that rises with each new holder.

All times are the database's, so the clocks of the two hosts need not agree. The lease is taken, renewed and given back
by single statements: a host that loses its power in the middle of a transaction would leave its row locked until the
database misses it, which takes hours by default.
"""

import os
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final
from uuid import uuid4

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from workers.beat.models import Lease, Scheduler

#: Seconds a lease lasts. The next tick must come within 15 s of the leader's last sign of life: this, then POLL, then
#: what reading the entries and reaching the broker takes. A database that answers within 3 s does not end it.
LEASE: Final = timedelta(seconds=8)
#: Seconds between two renewals: three may fail.
RENEWAL: Final = 2.0
#: Seconds between two looks of a waiting scheduler.
POLL: Final = 1.0
#: Seconds after which a scheduler that said nothing is taken for gone.
SILENT: Final = timedelta(seconds=15)


def new_name() -> str:
    """A name for this process that no other one has or had: host, process, and a part by chance."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:6]}"


@dataclass
class Tenure:
    """What this process knows of the lease and of the database's clock. Every method may raise DatabaseError."""

    name: str = field(default_factory=new_name)
    #: The number of our lease, while we hold it.
    token: int | None = None
    #: Who held it when we last looked.
    holder: str = ""
    _ends: float = 0.0
    _ahead: float = 0.0

    @property
    def held(self) -> bool:
        """Whether the lease is ours, by our own clock: a process that was stopped meanwhile notices here."""
        return self.token is not None and monotonic() < self._ends

    def now(self) -> datetime:
        """The time by the database's clock, as of the last look at it."""
        return datetime.fromtimestamp(monotonic() + self._ahead, UTC)

    def hold(self) -> bool:
        """Take the lease if it is free, or renew it; whether it is ours then."""
        asked = monotonic()
        if self.token is None:
            free = Lease.objects.filter(pk=Lease.ROW, expires_at__lte=Now())
            free.update(token=F("token") + 1, holder=self.name, expires_at=Now() + LEASE)
        else:
            self._ours().update(expires_at=Now() + LEASE)
        self._look(asked)
        return self.token is not None

    def release(self) -> None:
        """Give the lease back: whoever waits takes it at its next look."""
        Scheduler.objects.filter(pk=self.name).delete()
        self._ours().update(expires_at=Now())
        self.token = None

    def show_up(self) -> None:
        """Note that this scheduler runs."""
        if not Scheduler.objects.filter(pk=self.name).update(seen_at=Now()):
            Scheduler(pk=self.name, seen_at=self.now()).save(force_insert=True)

    def forget_others(self) -> None:
        """Forget the schedulers that are no more."""
        Scheduler.objects.filter(seen_at__lt=Now() - timedelta(days=1)).delete()

    def _ours(self) -> QuerySet[Lease]:
        return Lease.objects.filter(pk=Lease.ROW, token=self.token or 0, holder=self.name)

    def _look(self, asked: float) -> None:
        lease, now = read()
        answered = monotonic()
        self._ahead = now.timestamp() - (asked + answered) / 2
        self.holder = lease.holder
        if lease.holder != self.name or lease.expires_at <= now:
            self.token = None
            return
        self.token = lease.token
        # From before the question: the lease may be over a little later than we think, never sooner.
        self._ends = asked + LEASE.total_seconds()


def read() -> tuple[Lease, datetime]:
    """The lease, and the time by the database's clock."""
    row = Lease.objects.annotate(now=Now()).get(pk=Lease.ROW)
    return row, row.now


def prepare() -> None:
    """Make the row that says who holds the lease: nobody, at first."""
    nobodys = Lease(pk=Lease.ROW, holder="", expires_at=datetime.fromtimestamp(0, UTC))
    Lease.objects.bulk_create([nobodys], ignore_conflicts=True)
