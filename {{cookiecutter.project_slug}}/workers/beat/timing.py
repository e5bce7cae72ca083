"""When an entry is due.

Each timing names *slots*: instants that do not depend on who asks, nor on when the scheduler started or last sent. A
slot is known by its instant in UTC, so a change of the clocks gives it no second name.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cached_property
from typing import Any, Final, Protocol

from celery.schedules import crontab

#: Where intervals are counted from, so that every host, at every start, finds the same slots.
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Days a slot is looked for. The rarest that exists, a 29 February on a given weekday, comes back within 40 years.
HORIZON: Final = 41 * 366
#: How far a change of the clocks may move a slot from its place on the wall clock; those in use move it by one hour.
MARGIN: Final = timedelta(hours=3)
#: Slots of a cron line that are counted at most, one by one: whoever missed more knows enough.
MANY: Final = 200


class Timing(Protocol):
    """The slots of an entry."""

    def latest(self, until: datetime) -> datetime | None:
        """The last slot at or before `until`."""

    def following(self, after: datetime) -> datetime | None:
        """The first slot after `after`."""


@dataclass(frozen=True)
class Once:
    """One slot."""

    at: datetime

    def latest(self, until: datetime) -> datetime | None:
        """The slot, once it is there."""
        return self.at if self.at <= until else None

    def following(self, after: datetime) -> datetime | None:
        """The slot, until it has passed."""
        return self.at if self.at > after else None

    def __str__(self) -> str:
        return f"once at {self.at:%Y-%m-%d %H:%M:%S %Z}"


@dataclass(frozen=True)
class Every:
    """A slot every so many seconds, counted from EPOCH: `Every(3600)` is due at each full hour of UTC."""

    seconds: int

    def latest(self, until: datetime) -> datetime:
        """The last slot at or before `until`."""
        step = timedelta(seconds=self.seconds)
        return EPOCH + (until - EPOCH) // step * step

    def following(self, after: datetime) -> datetime:
        """The first slot after `after`."""
        return self.latest(after) + timedelta(seconds=self.seconds)

    def __str__(self) -> str:
        return f"every {self.seconds} s"


@dataclass(frozen=True)
class Cron:
    """The minutes that five fields name on the wall clock of a zone: minute, hour, day of month, month, weekday.

    Where the clocks change: with `*` for the hour, slots follow real time, so `*/5` comes every five minutes through
    the night. Otherwise each wall-clock time has one slot (RFC 5545, 3.3.5): of an hour that comes twice the first, and
    one that the clocks jump over is due as much later as they jump. A nightly run so runs once in every night.
    """

    text: str
    zone: tzinfo

    def latest(self, until: datetime) -> datetime | None:
        """The last slot at or before `until`."""
        return self._nearest(until, -1, max)

    def following(self, after: datetime) -> datetime | None:
        """The first slot after `after`."""
        return self._nearest(after, +1, min)

    def __str__(self) -> str:
        return self.text

    @cached_property
    def _fields(self) -> Any:  # celery.schedules.crontab; its stubs know no fields
        return crontab.from_string(self.text)

    def _nearest(self, moment: datetime, step: int, pick: Callable[..., datetime | None]) -> datetime | None:
        """The slot next to `moment`, after it (step 1) or up to it (step -1).

        Near a change, a later hour of the wall clock may hold an earlier slot, so the hours around are looked at, too.
        """
        found: datetime | None = None
        for hour in self._hours(moment - step * MARGIN, step):
            if found and (hour - self._wall(found)) * step > MARGIN:
                break
            slots = [slot for slot in self._slots(hour) if (slot > moment) == (step > 0)]
            found = pick([*slots, found] if found else slots, default=None)
        return found

    def _wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None, fold=0)

    @property
    def _follows_real_time(self) -> bool:
        return len(self._fields.hour) == 24  # noqa: PLR2004 - each hour of the day

    def _hours(self, moment: datetime, step: int) -> Iterator[datetime]:
        """The hours on the wall clock that the fields name, from that of `moment` on, forwards or backwards."""
        local = self._wall(moment)
        named = sorted(self._fields.hour, reverse=step < 0)
        for distance in range(HORIZON):
            day = local.date() + timedelta(days=distance * step)
            if not self._names(day):
                continue
            for hour in named:
                if distance or (hour - local.hour) * step >= 0:
                    yield datetime(day.year, day.month, day.day, hour)  # noqa: DTZ001 - of the wall clock

    def _names(self, day: date) -> bool:
        fields = self._fields
        weekday = day.isoweekday() % 7  # cron's week begins on Sunday
        return day.day in fields.day_of_month and day.month in fields.month_of_year and weekday in fields.day_of_week

    def _slots(self, hour: datetime) -> list[datetime]:
        """The slots of one hour of the wall clock, in order."""
        walls = [hour.replace(minute=minute) for minute in self._fields.minute]
        if not self._follows_real_time:
            return sorted({self._instant(wall, 0) for wall in walls})
        both = ((wall, self._instant(wall, fold)) for wall in walls for fold in (0, 1))
        return sorted({slot for wall, slot in both if self._wall(slot) == wall})

    def _instant(self, wall: datetime, fold: int) -> datetime:
        return wall.replace(tzinfo=self.zone, fold=fold).astimezone(UTC)


def count(timing: Timing, after: datetime, before: datetime) -> tuple[int, datetime | None]:
    """How many slots lie between the two moments, both excluded, and the first of them; of a cron line up to MANY."""
    first = slot = timing.following(after)
    if first is None or first >= before:
        return 0, None
    if isinstance(timing, Every):
        return -((first - before) // timedelta(seconds=timing.seconds)), first
    found = 0
    while slot is not None and slot < before and found < MANY:
        found += 1
        slot = timing.following(slot)
    return found, first
