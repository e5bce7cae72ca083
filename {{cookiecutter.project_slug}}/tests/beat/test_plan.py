"""What an entry owes: one run at most, however long nobody was there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.beat.samples import entry
from workers.beat.models import Entry, Run
from workers.beat.plan import Plan, Planned

pytestmark = pytest.mark.django_db
NOON = datetime(2030, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def _planned(last: datetime = NOON, **fields: Any) -> Planned:
    return Planned.after(entry(**fields), last)


def test_a_slot_is_owed_from_its_moment_on() -> None:
    """Not before it, and not after it was dealt with."""
    planned = _planned()
    assert planned.owed(NOON + MINUTE - timedelta(microseconds=1)) == (None, None)
    gap, slot = planned.owed(NOON + MINUTE)
    assert gap is None
    assert slot is not None
    assert slot.due == NOON + MINUTE
    planned.move_on(slot.due)
    assert planned.owed(NOON + MINUTE) == (None, None)


def test_after_an_outage_the_latest_slot_is_sent_and_the_others_are_reported() -> None:
    """Never a burst."""
    gap, slot = _planned().owed(NOON + 10.5 * MINUTE)
    assert slot is not None
    assert slot.due == NOON + 10 * MINUTE
    assert gap is not None
    assert (gap.count, gap.first, gap.last) == (9, NOON + MINUTE, NOON + 9 * MINUTE)


def test_what_is_too_old_is_reported_only() -> None:
    """A nightly run does not fall into the day."""
    planned = _planned(cron="15 4 * * *")
    due = NOON.replace(hour=4, minute=15) + timedelta(days=1)
    _, slot = planned.owed(due + timedelta(hours=1))
    assert slot is not None
    gap, slot = planned.owed(due + timedelta(hours=1, seconds=1))
    assert slot is None
    assert gap is not None
    assert (gap.count, gap.first, gap.last) == (1, due, due)


def test_an_entry_may_refuse_to_be_late() -> None:
    """But not to be sent by a fail-over: what that takes is in time."""
    planned = _planned(late_within=0)
    for seconds, sent in ((15, True), (16, False)):
        gap, slot = planned.owed(NOON + MINUTE + timedelta(seconds=seconds))
        assert (slot is not None, gap is not None) == (sent, not sent)


def test_all_tries_of_a_slot_carry_one_id() -> None:
    """Whichever scheduler makes them."""
    first, second = (_planned(name=name).owed(NOON + MINUTE)[1] for name in ("a", "b"))
    again = Planned.after(Entry.objects.get(name="a"), NOON).owed(NOON + 1.5 * MINUTE)[1]
    assert first is not None
    assert second is not None
    assert again is not None
    assert first.task_id == again.task_id != second.task_id


def test_a_new_or_changed_entry_owes_nothing_for_the_past() -> None:
    """It counts from the change, whatever was sent before."""
    own = entry()
    assert Planned.after(own, None).done == own.changed_at
    assert Planned.after(own, own.changed_at - timedelta(days=30)).done == own.changed_at


def test_a_single_run_is_owed_although_it_was_entered_late() -> None:
    """Somebody saved it a second after its time."""
    at = datetime.now(UTC) - timedelta(seconds=2)
    planned = Planned.after(entry(at=at), None)
    assert planned.owed(datetime.now(UTC))[1] is not None
    assert Planned.after(planned.entry, at).owed(datetime.now(UTC)) == (None, None)


def test_only_enabled_entries_are_planned() -> None:
    """Nor any that the code has dropped."""
    entry("on")
    entry("off", enabled=False)
    entry("gone", origin=Entry.Origin.GONE)
    plan = Plan()
    plan.refresh()
    assert [planned.entry.name for planned in plan.due(datetime.now(UTC) + timedelta(hours=1))] == ["on"]


@pytest.mark.parametrize("change", ["add", "edit", "disable", "delete"])
def test_a_change_is_seen_at_the_next_look(change: str) -> None:
    """Without a restart."""
    own = entry("own")
    plan = Plan()
    plan.refresh()
    if change == "add":
        entry("other")
    elif change == "delete":
        own.delete()
    else:
        own.every, own.enabled = 30, change == "edit"
        own.save()
    plan.refresh()
    soon = datetime.now(UTC) + timedelta(hours=1)
    seen = sorted((planned.entry.name, str(planned.timing)) for planned in plan.due(soon))
    minute = ("own", "every 60 s")
    expected = {"add": [("other", "every 60 s"), minute], "edit": [("own", "every 30 s")], "disable": [], "delete": []}
    assert seen == expected[change]


def test_the_record_of_the_last_slot_is_where_a_new_leader_goes_on() -> None:
    """Sent, missed or doubtful: it is dealt with."""
    own = entry("tick")
    due = own.changed_at.replace(second=0, microsecond=0) + 5 * MINUTE
    Run.objects.create(name="tick", due=due, state="doubtful", token=1, host="b1", noted_at=due)
    plan = Plan()
    plan.refresh()
    assert plan.next() == due + MINUTE
