"""Ticks of one scheduler, while everything around it fails in turn: no slot twice, none lost without a word."""

import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError as DatabaseLostError
from django.db.models.functions import Now
from kombu import Connection
from kombu.exceptions import OperationalError as BrokerLostError
from structlog.testing import capture_logs

from config.celery import app
from tests.beat.samples import TASK, entry
from tests.conftest import free_port
from workers.beat import lease, plan, runs, scheduler
from workers.beat.lease import Tenure
from workers.beat.models import Entry, Lease, Run
from workers.beat.scheduler import SlotScheduler
from workers.exits import CONFIGURATION

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def beat(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlotScheduler]:
    """A scheduler of no entries but the test's; the broker is in memory, and empty."""
    monkeypatch.setitem(app.conf, "beat_schedule", {})
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    sent()
    yield SlotScheduler(app)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let a function raise an error, once, before or after it has done its work."""

    def fail(owner: Any, name: str, error: Exception, *, after: bool = False) -> None:
        works, left = getattr(owner, name), [error]

        def failing(*args: Any, **kwargs: Any) -> Any:
            result = works(*args, **kwargs) if after or not left else None
            if left:
                raise left.pop()
            return result

        monkeypatch.setattr(owner, name, failing)

    return fail


def owed(name: str = "tick", **fields: Any) -> Entry:
    """An entry with one slot, a moment ago: its interval is as long as the time it is counted from."""
    made = entry(name, every=int(time.time()), **fields)
    Entry.objects.filter(pk=made.pk).update(changed_at=Now() - timedelta(days=1))
    return made


def sent() -> int:
    """How many messages there are; they are taken away."""
    with app.connection_for_read() as connection:
        return int(app.amqp.queues["default"](connection.default_channel).purge() or 0)


def ticks(beat: SlotScheduler, number: int = 3) -> None:
    """So many ticks; each looks at the lease and the entries anew."""
    for _ in range(number):
        beat._next_look = 0
        beat.tick()


def states() -> list[str]:
    """What is recorded, in order."""
    return list(Run.objects.order_by("due").values_list("state", flat=True))


def test_what_is_due_is_sent_once(beat: SlotScheduler) -> None:
    """However often it ticks."""
    owed()
    ticks(beat)
    assert (sent(), states()) == (1, ["sent"])


def test_a_waiting_scheduler_sends_nothing(beat: SlotScheduler) -> None:
    """As long as another one holds the lease."""
    owed()
    other = Tenure()
    lease.prepare()
    assert other.hold()
    ticks(beat)
    assert (sent(), states()) == (0, [])
    other.release()
    ticks(beat)
    assert (sent(), states()) == (1, ["sent"])


def test_without_a_broker_nothing_is_claimed(beat: SlotScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said once, and the slot is sent when the broker is back."""
    owed()
    monkeypatch.setattr("workers.beat.sender.REACH", 0)
    with monkeypatch.context() as gone, capture_logs() as logged:
        gone.setattr(app, "connection_for_write", lambda: Connection(f"redis://127.0.0.1:{free_port()}"))
        ticks(beat)
        assert states() == []
    assert [line["event"] for line in logged] == ["beat_active", "beat_without"]
    beat._sender.close()
    ticks(beat)
    assert (sent(), states()) == (1, ["sent"])


def test_a_long_outage_of_the_broker_is_a_missed_run(beat: SlotScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason that was."""
    owed(late_within=0)
    monkeypatch.setattr(plan, "PUNCTUAL", timedelta(0))
    beat._troubles.add("broker")
    ticks(beat)
    assert [(run.state, run.reason) for run in Run.objects.all()] == [("missed", "no broker answered")]


@pytest.mark.parametrize("after", [False, True])
def test_an_unclear_failure_is_never_sent_again(
    beat: SlotScheduler, fails: Callable[..., None], *, after: bool
) -> None:
    """The connection broke before the confirm: nobody knows whether the message is in the queue."""
    owed()
    fails(app.tasks[TASK], "apply_async", BrokerLostError("connection reset"), after=after)
    with capture_logs() as logged:
        ticks(beat)
    assert (sent(), states()) == (int(after), ["doubtful"])
    assert [line["event"] for line in logged if line["log_level"] == "error"] == ["periodic_task_doubtful"]


def test_a_refused_task_is_missed_with_the_reason(beat: SlotScheduler, fails: Callable[..., None]) -> None:
    """And the other entries go on."""
    owed("first")
    owed("second")
    fails(app.tasks[TASK], "apply_async", LookupError("no worker group claims it"))
    ticks(beat)
    assert sent() == 1
    assert sorted(states()) == ["missed", "sent"]
    assert Run.objects.get(state="missed").reason == "LookupError: no worker group claims it"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", ["claim", "note_sent", "last_slots", "note_left_behind"])
def test_a_database_that_goes_away_and_comes_back_costs_nothing(
    beat: SlotScheduler, fails: Callable[..., None], step: str, *, after: bool
) -> None:
    """At each step, before or after the database did its part: the slot is sent once and noted so."""
    owed()
    fails(plan if step == "last_slots" else runs, step, DatabaseLostError("gone"), after=after)
    with capture_logs() as logged:
        ticks(beat, 4)
    assert (sent(), states()) == (1, ["sent"])
    assert [line["what"] for line in logged if line["event"] in ("beat_without", "beat_again_with")] == ["database"] * 2


def test_a_database_that_is_back_is_noticed_at_once(beat: SlotScheduler, fails: Callable[..., None]) -> None:
    """The next tick looks at the lease, whenever that was due."""
    ticks(beat)
    owed()
    fails(lease.Tenure, "show_up", DatabaseLostError("gone"))
    beat._next_look = 0
    assert beat.tick() == scheduler.RETRY
    beat.tick()
    assert (sent(), states()) == (1, ["sent"])


def test_a_broker_that_went_away_between_two_slots_is_noticed_before_the_claim(
    beat: SlotScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection was kept, and nobody said that it had ended: the slot goes through a new one, without a doubt."""
    owed("first")
    ticks(beat)
    kept: Any = beat._sender._connection
    channel = kept.channel
    calls: list[int] = []

    def once_lost() -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionResetError("gone")
        return channel()

    monkeypatch.setattr(kept, "channel", once_lost)
    owed("second")
    ticks(beat)
    assert (sent(), states()) == (2, ["sent", "sent"])


def test_the_codes_entries_are_stored_by_whoever_becomes_active(
    beat: SlotScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by one that waits: it may be of another release."""
    monkeypatch.setitem(app.conf, "beat_schedule", {"app.one": {"task": TASK, "schedule": 3600}})
    lease.prepare()
    other = Tenure()
    assert other.hold()
    ticks(beat)
    assert not Entry.objects.exists()
    other.release()
    ticks(beat)
    assert Entry.objects.get().name == "app.one"


def test_the_lease_survives_a_short_absence_of_the_database(beat: SlotScheduler, fails: Callable[..., None]) -> None:
    """The number stays, so nothing has to be taken over."""
    ticks(beat)
    fails(Tenure, "show_up", DatabaseLostError("gone"))
    ticks(beat)
    assert Lease.objects.get().token == 1


def test_a_scheduler_that_was_halted_after_its_claim_sends_nothing(
    beat: SlotScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one may be active by now; when it is not, the slot is still ours to send."""
    owed()
    ticks(beat, 0)
    claim = runs.claim

    def halted(*args: Any) -> bool:
        monkeypatch.setattr(runs, "claim", claim)
        claimed = claim(*args)
        beat._tenure._ends = 0
        return claimed

    monkeypatch.setattr(runs, "claim", halted)
    ticks(beat, 1)
    assert (sent(), states()) == (0, ["claimed"])
    ticks(beat)
    assert (sent(), states()) == (1, ["sent"])


def test_halted_until_another_one_led_it_reports_the_slot(beat: SlotScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one has passed it by."""
    owed()
    claim, other = runs.claim, Tenure()

    def halted(*args: Any) -> bool:
        claimed = claim(*args)
        Lease.objects.update(expires_at=Now() - timedelta(seconds=1))
        assert other.hold()
        beat._tenure._ends = 0
        return claimed

    monkeypatch.setattr(runs, "claim", halted)
    ticks(beat, 1)
    assert (sent(), states()) == (0, ["claimed"])
    ticks(beat, 1)
    assert (sent(), states()) == (0, ["missed"])


def test_a_stop_ends_after_the_slot_that_is_on_its_way(beat: SlotScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noted as sent, the other entry is left to the other scheduler, and the lease is free at once."""
    owed("first")
    owed("second")
    publish = app.tasks[TASK].apply_async

    def stopped(*args: Any, **kwargs: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return publish(*args, **kwargs)

    monkeypatch.setattr(app.tasks[TASK], "apply_async", stopped)
    with pytest.raises(SystemExit):
        ticks(beat)
    beat.close()
    assert (sent(), states()) == (1, ["sent"])
    assert Tenure().hold()


def test_a_stop_between_two_ticks_ends_at_once(beat: SlotScheduler) -> None:
    """Nothing is on its way."""
    ticks(beat)
    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGTERM)


def test_a_single_run_disables_its_entry(beat: SlotScheduler) -> None:
    """So that the list says it is done; what was missed, too."""
    now = datetime.now(UTC)
    entry("soon", at=now - timedelta(seconds=1))
    entry("long ago", at=now - timedelta(days=1))
    ticks(beat)
    assert sent() == 1
    assert set(Run.objects.values_list("name", "state")) == {("soon", "sent"), ("long ago", "missed")}
    assert not Entry.objects.filter(enabled=True).exists()


def test_a_change_between_reading_and_claiming_is_followed(
    beat: SlotScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Disabled in that moment: not sent."""
    owed()
    claim = runs.claim

    def raced(*args: Any) -> bool:
        Entry.objects.get().save()
        Entry.objects.update(enabled=False)
        return claim(*args)

    monkeypatch.setattr(runs, "claim", raced)
    ticks(beat)
    assert (sent(), states()) == (0, [])


def test_the_message_says_what_the_entry_says(beat: SlotScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments, expiry, a mark that beat sent it; and it is not tried twice by the library underneath."""
    seen: dict[str, Any] = {}
    monkeypatch.setattr(app.tasks[TASK], "apply_async", lambda *args, **options: seen.update(options, args=args))
    owed(expires=290)
    ticks(beat)
    assert seen["args"] == ([], {})
    assert (seen["expires"], seen["retry"]) == (290, False)
    assert seen["headers"]["celery_beat_task"] is True


def test_the_lease_is_renewed_in_the_middle_of_many_slots(beat: SlotScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand that are due at once do not end it."""
    for number in range(5):
        owed(f"tick {number}")
    monkeypatch.setattr(scheduler, "RENEWAL", 0)
    for number in range(5):
        assert len(states()) == number
        beat.tick()
    assert (sent(), len(states())) == (5, 5)


def test_a_wrong_schedule_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of it, before anything is sent; nobody need start it again."""
    monkeypatch.setitem(app.conf, "beat_schedule", {"app.one": {"task": "no.such", "schedule": 30}})
    with pytest.raises(SystemExit, match=str(CONFIGURATION)):
        SlotScheduler(app)
    assert "nothing was started:\napp.one (W27): There is no task no.such." in capsys.readouterr().err


def test_a_database_without_the_tables_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do."""
    monkeypatch.setattr("workers.beat.scheduler.tables_missing", lambda _: True)
    monkeypatch.setitem(app.conf, "beat_schedule", {})
    with pytest.raises(SystemExit, match=r"run `python manage\.py migrate` first"):
        SlotScheduler(app)
