"""Which slots are due now: the enabled entries, each with the slot up to which all is dealt with."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.db.models import Count, Max

from workers.beat.models import Entry
from workers.beat.runs import PUNCTUAL, Gap, Slot, last_slots
from workers.beat.timing import Timing, count

_NEVER = datetime(1, 1, 2, tzinfo=UTC)


@dataclass
class Planned:
    """An enabled entry. Slots up to `done` were sent, or reported as missed, or are owed by nobody."""

    entry: Entry
    timing: Timing
    done: datetime
    next: datetime | None

    @classmethod
    def after(cls, entry: Entry, last: datetime | None) -> "Planned":
        """The entry as it stands after the slot `last`, None where it has had none."""
        done = last or _NEVER
        if not entry.at:
            done = max(done, entry.changed_at)
        timing = entry.timing
        return cls(entry, timing, done, timing.following(done))

    def move_on(self, done: datetime) -> None:
        """Everything up to `done` is dealt with."""
        self.done = done
        self.next = self.timing.following(done)

    def owed(self, now: datetime) -> tuple[Gap | None, Slot | None]:
        """What was missed for good, and the one slot that may be sent now."""
        newest = self.timing.latest(now)
        if newest is None or newest <= self.done:
            return None, None
        missed, first = count(self.timing, self.done, newest)
        in_time = now - newest <= max(PUNCTUAL, timedelta(seconds=self.entry.late_within))
        if not in_time:
            return Gap(self.entry, missed + 1, first or newest, newest), None
        gap = self._gap(missed, first, newest) if first else None
        return gap, Slot(self.entry, newest, str(uuid5(NAMESPACE_URL, f"{self.entry.name} {newest.isoformat()}")))

    def _gap(self, missed: int, first: datetime, newest: datetime) -> Gap:
        last = self.timing.latest(newest - timedelta(microseconds=1))
        return Gap(self.entry, missed, first, last or first)


class Plan:
    """All enabled entries, as they were when last read."""

    def __init__(self) -> None:
        self._planned: list[Planned] = []
        self._state: Any = None

    @property
    def loaded(self) -> bool:
        """Whether it was read at all."""
        return self._state is not None

    def forget(self) -> None:
        """Read everything anew at the next look: another scheduler may have been at work."""
        self._state, self._planned = None, []

    def refresh(self) -> None:
        """Read the entries if one was added, changed or removed."""
        state = Entry.objects.aggregate(entries=Count("pk"), changed=Max("changed_at"))
        if state == self._state:
            return
        last = last_slots()
        entries = Entry.objects.filter(enabled=True).exclude(origin=Entry.Origin.GONE)
        self._planned = [Planned.after(entry, last.get(entry.name)) for entry in entries]
        self._state = state

    def due(self, now: datetime) -> Iterator[Planned]:
        """The entries that owe a run, the oldest first."""
        waiting = [(planned.next, planned) for planned in self._planned if planned.next and planned.next <= now]
        return (planned for _, planned in sorted(waiting, key=lambda pair: pair[0]))

    def next(self) -> datetime | None:
        """The next slot of all."""
        return min((planned.next for planned in self._planned if planned.next), default=None)
