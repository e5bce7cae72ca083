"""One scheduler holds the lease, by the database's clock, and each holder has a higher number."""

from datetime import timedelta
from time import monotonic

import pytest
from django.db.models.functions import Now

from workers.beat import lease
from workers.beat.lease import LEASE, Tenure, read
from workers.beat.models import Lease, Scheduler

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _prepared(db: None) -> None:  # noqa: ARG001
    lease.prepare()


def _expire() -> None:
    Lease.objects.update(expires_at=Now() - timedelta(seconds=1))


def test_the_first_to_ask_gets_it() -> None:
    """On a database that has never seen a scheduler."""
    first, second = Tenure(), Tenure()
    assert (first.hold(), second.hold()) == (True, False)
    assert (first.held, second.held) == (True, False)
    assert second.holder == first.name


def test_whoever_waits_gets_it_when_it_ends_with_a_higher_number() -> None:
    """By which the claims of the earlier holder are refused."""
    first, second = Tenure(), Tenure()
    first.hold()
    _expire()
    assert second.hold()
    assert (first.token, second.token) == (1, 2)
    assert not first.hold()
    assert not first.held


def test_the_holder_keeps_it_by_renewing() -> None:
    """Also a moment too late, if nobody was there to take it."""
    tenure = Tenure()
    tenure.hold()
    _expire()
    assert tenure.hold()
    assert tenure.token == 1
    row, now = read()
    assert timedelta(0) < row.expires_at - now <= LEASE


def test_given_back_it_is_free_at_once() -> None:
    """A stop costs the other scheduler one look, not the rest of the lease; and it runs no more."""
    first, second = Tenure(), Tenure()
    first.hold()
    first.show_up()
    first.release()
    assert not first.held
    assert second.hold()
    assert not Scheduler.objects.filter(pk=first.name).exists()


def test_giving_back_what_another_holds_changes_nothing() -> None:
    """A scheduler that was halted meanwhile wakes up and is stopped."""
    first, second = Tenure(), Tenure()
    first.hold()
    _expire()
    second.hold()
    first.release()
    assert not Tenure().hold()
    assert second.hold()
    assert second.token == 2


def test_a_halted_process_notices_by_its_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it asks the database: it may be about to send."""
    tenure = Tenure()
    tenure.hold()
    halted = monotonic() + LEASE.total_seconds()
    monkeypatch.setattr(lease, "monotonic", lambda: halted)
    assert not tenure.held


def test_the_time_is_the_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose clock is an hour ahead still sends on time."""
    tenure = Tenure()
    row, now = read()
    monkeypatch.setattr(lease, "read", lambda: (row, now + timedelta(hours=1)))
    tenure.hold()
    assert timedelta(minutes=59) < tenure.now() - now < timedelta(minutes=61)


def test_an_answer_that_was_lost_does_not_lose_the_lease() -> None:
    """The database gave it to us and the answer did not arrive: the next look finds out."""
    tenure = Tenure()
    tenure.hold()
    tenure.token = None
    assert tenure.hold()
    assert tenure.token == 1
