"""A slot is claimed once, by the holder of the lease, for an entry as it stands; what is left behind is reported."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models.functions import Now
from structlog.testing import capture_logs

from tests.beat.samples import entry, slot
from workers.beat import lease, runs
from workers.beat.lease import Tenure
from workers.beat.models import Lease, MissedRun, Run
from workers.beat.runs import KEPT, KEPT_REMARKABLE, SENDING, Gap

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def tenure(db: None) -> Tenure:  # noqa: ARG001
    """A scheduler that holds the lease."""
    lease.prepare()
    tenure = Tenure()
    assert tenure.hold()
    return tenure


def test_a_slot_is_claimed_once(tenure: Tenure) -> None:
    """By the same scheduler or another."""
    own = slot(entry(), NOON)
    assert [runs.claim(own, tenure), runs.claim(own, tenure)] == [True, False]
    Lease.objects.update(expires_at=Now() - timedelta(seconds=1))
    other = Tenure()
    assert other.hold()
    assert not runs.claim(own, other)


def test_a_scheduler_whose_lease_is_over_claims_nothing(tenure: Tenure) -> None:
    """It was halted and knows nothing of it: the database refuses."""
    Lease.objects.update(expires_at=Now() - timedelta(seconds=2))
    assert not runs.claim(slot(entry(), NOON), tenure)


def test_the_number_of_an_earlier_lease_claims_nothing(tenure: Tenure) -> None:
    """Although somebody holds a lease."""
    Lease.objects.update(token=tenure.token + 1)  # type: ignore[operator]
    assert not runs.claim(slot(entry(), NOON), tenure)


def test_a_disabled_entry_is_not_claimed(tenure: Tenure) -> None:
    """Once the admin's page says so, even if the scheduler has read it before."""
    own = entry()
    stale = slot(own, NOON)
    type(own).objects.filter(pk=own.pk).update(enabled=False)
    assert not runs.claim(stale, tenure)


def test_an_entry_is_not_sent_as_it_was_before_a_change(tenure: Tenure) -> None:
    """Other arguments, another task: the new ones are sent, or none."""
    own = entry()
    stale = slot(own, NOON)
    type(own).objects.get(pk=own.pk).save()
    assert not runs.claim(stale, tenure)


def test_a_confirmed_slot_is_sent_or_late(tenure: Tenure) -> None:
    """Fifteen seconds are in time: a fail-over may take them."""
    own = entry()
    with capture_logs() as logged:
        for delay in (15, 16):
            due = slot(own, NOON + timedelta(minutes=delay))
            assert runs.claim(due, tenure)
            runs.note_sent(due, due.due + timedelta(seconds=delay))
    assert [(run.state, run.delay) for run in Run.objects.order_by("due")] == [("sent", 15), ("late", 16)]
    assert [(line["event"], line["seconds"]) for line in logged] == [("periodic_task_late", 16)]


def test_a_claim_that_a_leader_left_behind_is_reported_once(tenure: Tenure) -> None:
    """It may have been sent, so it is never sent again; a leader that is only slow has its time first."""
    own = slot(entry("nightly"), NOON)
    assert runs.claim(own, tenure)
    with capture_logs() as logged:
        runs.note_left_behind(tenure)
        assert Run.objects.get().state == "claimed"
        Run.objects.update(noted_at=tenure.now() - SENDING - timedelta(seconds=1))
        runs.note_left_behind(tenure)
        runs.note_left_behind(tenure)
    assert [(line["event"], line["entry"], line["log_level"]) for line in logged] == [
        ("periodic_task_doubtful", "nightly", "error")
    ]
    assert MissedRun.objects.get().state == "doubtful"


def test_a_confirm_that_arrives_meanwhile_is_not_overwritten(tenure: Tenure, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first of two is reported, the second one's leader comes back."""
    first, second = (slot(entry(name), NOON) for name in ("a", "b"))
    for own in (first, second):
        runs.claim(own, tenure)
    Run.objects.update(noted_at=tenure.now() - SENDING - timedelta(seconds=1))
    reported: list[str] = []

    def report(name: str, *_: object) -> None:
        reported.append(name)
        other = {"a": second, "b": first}[name]
        runs.note_sent(other, other.due)

    monkeypatch.setattr(runs, "_complain", report)
    runs.note_left_behind(tenure)
    assert len(reported) == 1
    assert sorted(Run.objects.values_list("state", flat=True)) == ["doubtful", "sent"]


def test_a_slow_leaders_confirm_corrects_the_doubt(tenure: Tenure) -> None:
    """The truth is noted whenever it arrives."""
    own = slot(entry(), NOON)
    runs.claim(own, tenure)
    runs.note_failed(own, Run.State.DOUBTFUL, "halted")
    runs.note_sent(own, NOON + timedelta(seconds=1))
    assert (Run.objects.get().state, Run.objects.get().reason) == ("sent", "")


@pytest.mark.django_db(transaction=True)
def test_a_gap_is_one_line(tenure: Tenure) -> None:
    """However many slots it had, and however often it is found."""
    gap = Gap(entry("tick"), 7, NOON, NOON + timedelta(seconds=6))
    with capture_logs() as logged:
        runs.note_missed(gap, "no scheduler was active", tenure)
        runs.note_missed(gap, "no scheduler was active", tenure)
    assert [(line["entry"], line["runs"]) for line in logged] == [("tick", 7)]
    [run] = MissedRun.objects.all()
    assert (run.count, run.first_due, run.due) == (7, gap.first, gap.last)


def test_an_unused_claim_goes_back_to_the_same_leader(tenure: Tenure) -> None:
    """The database had gone away in the middle of it: the slot is still to be sent."""
    own = slot(entry(), NOON)
    runs.claim(own, tenure)
    runs.give_back(own, tenure.token or 0)
    assert runs.claim(own, tenure)


def test_an_unused_claim_is_missed_when_another_has_led_since(tenure: Tenure) -> None:
    """That one has passed the slot by: nobody would send it, and nobody would know."""
    own = slot(entry(), NOON)
    runs.claim(own, tenure)
    Lease.objects.update(token=2)
    runs.give_back(own, 1)
    assert Run.objects.get().state == "missed"


def test_records_are_kept_for_a_bounded_time(tenure: Tenure) -> None:
    """But the last of an entry stays: its next slot is found from it."""
    now = tenure.now()
    rows = [
        ("daily", now - KEPT - timedelta(days=1), "sent"),
        ("daily", now - KEPT + timedelta(hours=1), "sent"),
        ("daily", now - KEPT_REMARKABLE - timedelta(days=1), "missed"),
        ("daily", now - KEPT_REMARKABLE + timedelta(days=1), "missed"),
        ("yearly", now - timedelta(days=300), "sent"),
    ]
    Run.objects.bulk_create(
        Run(name=name, due=due, state=state, token=1, host="b1", noted_at=due) for name, due, state in rows
    )
    runs.forget_old()
    assert {(run.name, run.due) for run in Run.objects.all()} == {rows[1][:2], rows[3][:2], rows[4][:2]}
