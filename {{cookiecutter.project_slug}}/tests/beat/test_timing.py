"""Slots are the same whoever asks, and each day has each run once, also where the clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.beat.timing import Cron, Every, Once, Timing, count

BERLIN = ZoneInfo("Europe/Berlin")  # clocks go forward 2026-03-29 2:00 -> 3:00, back 2026-10-25 3:00 -> 2:00
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Africa/Cairo",
    "Asia/Beirut",
    "Pacific/Chatham",
)


def moments(timing: Timing, first: str, last: str) -> list[str]:
    """The slots after `first` up to `last` (UTC), as text."""
    slot, end, found = (
        timing.following(datetime.fromisoformat(first).replace(tzinfo=UTC)),
        datetime.fromisoformat(last).replace(tzinfo=UTC),
        [],
    )
    while slot and slot <= end:
        found.append(f"{slot:%d %H:%M}")
        slot = timing.following(slot)
    return found


def test_an_interval_is_counted_from_a_fixed_moment() -> None:
    """Not from a start of the scheduler: a restart moves nothing."""
    assert moments(Every(1800), "2026-11-21T09:50:13", "2026-11-21T11:10") == ["21 10:00", "21 10:30", "21 11:00"]
    assert Every(3600).latest(datetime(2026, 11, 21, 9, 0, tzinfo=UTC)) == datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def test_a_nightly_run_comes_once_in_every_night() -> None:
    """In the hour that the clocks skip, half an hour later than they skip it; in the doubled one, the first time."""
    nightly = Cron("30 2 * * *", BERLIN)
    assert moments(nightly, "2026-03-27T12:00", "2026-03-31T12:00") == ["28 01:30", "29 01:30", "30 00:30", "31 00:30"]
    assert moments(nightly, "2026-10-23T12:00", "2026-10-27T12:00") == ["24 00:30", "25 00:30", "26 01:30", "27 01:30"]


def test_every_few_minutes_goes_on_through_the_change() -> None:
    """With `*` for the hour a slot belongs to real time: none is left out, none comes late."""
    quarters = Cron("*/15 * * * *", BERLIN)
    for night in ("2026-03-29T00:00", "2026-10-25T00:00"):
        assert len(moments(quarters, night, night.replace("00:00", "04:00"))) == 16


def test_day_month_and_weekday_must_all_match() -> None:
    """As Celery has it, and unlike cron's "or"."""
    friday_13th = Cron("0 0 13 * 5", ZoneInfo("UTC"))
    assert friday_13th.following(datetime(2026, 4, 1, tzinfo=UTC)) == datetime(2026, 11, 13, tzinfo=UTC)
    assert friday_13th.latest(datetime(2026, 11, 1, tzinfo=UTC)) == datetime(2026, 3, 13, tzinfo=UTC)


def test_the_rarest_day_is_found() -> None:
    """A 29 February on a Sunday, decades away."""
    rare = Cron("0 0 29 2 0", ZoneInfo("UTC"))
    assert rare.following(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2032, 2, 29, tzinfo=UTC)
    assert rare.following(datetime(2032, 3, 1, tzinfo=UTC)) == datetime(2060, 2, 29, tzinfo=UTC)


def test_once_is_one_slot() -> None:
    """Whatever is asked."""
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    second = timedelta(seconds=1)
    assert (Once(at).latest(at - second), Once(at).latest(at), Once(at).latest(at + second)) == (None, at, at)
    assert (Once(at).following(at - second), Once(at).following(at)) == (at, None)


def test_missed_slots_are_counted_up_to_a_bound() -> None:
    """A year without a scheduler is told in no time; intervals need no counting."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    assert count(Every(60), begin, begin + timedelta(minutes=5)) == (4, begin + timedelta(minutes=1))
    assert count(Every(60), begin, begin + timedelta(minutes=1)) == (0, None)
    assert count(Every(60), begin, begin + timedelta(minutes=5, seconds=1)) == (5, begin + timedelta(minutes=1))
    assert count(Every(1), begin, begin + timedelta(days=365))[0] == 365 * 24 * 3600 - 1
    minutes = Cron("* * * * *", ZoneInfo("UTC"))
    assert count(minutes, begin, begin + timedelta(minutes=5)) == (4, begin + timedelta(minutes=1))
    assert count(minutes, begin, begin + timedelta(days=365)) == (200, begin + timedelta(minutes=1))


_minutes = st.sampled_from(["*", "0", "30", "*/15", "7,42", "59"])
_hours = st.sampled_from(["*", "0", "1", "2", "3", "23", "*/6", "0-3", "1-2"])
_days = st.sampled_from(["* * *", "* * 0", "1 * *", "* 3,10 *", "25-31 * *"])
_moments = st.datetimes(datetime(2020, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=60)
@given(minute=_minutes, hour=_hours, days=_days, moment=_moments)
def test_looking_back_finds_what_looking_ahead_found(
    zone: str, minute: str, hour: str, days: str, moment: datetime
) -> None:
    """The last slot before the next one is the last slot now: nothing lies between them, in any zone, at any change."""
    cron = Cron(f"{minute} {hour} {days}", ZoneInfo(zone))
    following, latest = cron.following(moment), cron.latest(moment)
    assert following is not None
    assert latest is not None
    assert latest <= moment < following
    assert cron.latest(following) == following
    assert cron.latest(following - timedelta(microseconds=1)) == latest
    assert cron.following(latest) == following


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("text", ["*/20 * * * *", "0,50 * * * *", "10 2 * * *", "0,30 0-3 * * *", "45 23 * * *"])
def test_slots_around_each_change_are_what_a_clock_on_the_wall_shows(zone: str, text: str) -> None:
    """Minute by minute: whenever the wall shows a named time, without `*` for the first time; and what it skips."""
    info = ZoneInfo(zone)
    cron = Cron(text, info)
    minutes, hours = cron._fields.minute, cron._fields.hour
    for change in _changes(info):
        begin, end = change - timedelta(hours=50), change + timedelta(hours=50)
        slots, slot = set(), cron.following(begin)
        while slot and slot < end:
            slots.add(slot)
            slot = cron.following(slot)
        shown: dict[datetime, list[datetime]] = {}
        for number in range(1, 100 * 60):
            moment = begin + timedelta(minutes=number)
            shown.setdefault(moment.astimezone(info).replace(tzinfo=None, fold=0), []).append(moment)
        named = {wall: times for wall, times in shown.items() if wall.minute in minutes and wall.hour in hours}
        expected = {moment for times in named.values() for moment in (times if len(hours) == 24 else times[:1])}
        assert expected <= slots
        assert all(change <= slot < change + timedelta(hours=1) for slot in slots - expected), "of the skipped time"
        assert len(hours) < 24 or slots == expected
        for number in range(48 * 12, 56 * 12):  # around the change, from each moment on, back and ahead
            moment = begin + timedelta(minutes=5 * number)
            assert cron.following(moment) == min(slot for slot in slots if slot > moment)
            assert cron.latest(moment) == max(slot for slot in slots if slot <= moment)


def _changes(zone: ZoneInfo) -> list[datetime]:
    """The changes of the clocks in 2026, to the quarter of an hour."""
    quarters = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * number) for number in range(365 * 96))
    return [
        later
        for earlier, later in pairwise(quarters)
        if earlier.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset()
    ]
