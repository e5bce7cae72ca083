"""A letter is sent again as it was, to where its task goes today, once for each time that somebody wants it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.celery import app
from tests.delivery.letters import BODY, TASK, give_up, letter, message, taken
from workers.delivery.dead.collect import collect_once, keep
from workers.delivery.dead.inbox import Taken
from workers.delivery.dead.letter import HEADER, send
from workers.delivery.dead.replay import DROPPED, MOST_REPLAYS, planned, replay, replay_one
from workers.delivery.models import DeadLetter, Replay
from workers.delivery.size import LARGEST_BODY

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker")]


def _kept(**headers: Any) -> DeadLetter:
    """The letter of a message with these headers."""
    send(letter(**headers), app)
    collect_once()
    return DeadLetter.objects.get(state="dead")


def _refusal(kept: DeadLetter, *, force: bool = False) -> str:
    """Why a replay of it is refused; a dry run says the same."""
    foreseen = planned(kept, force=force).refusal
    outcome = replay_one(kept, "me", force=force)
    assert foreseen in (outcome.refusal, "")
    return outcome.refusal


def test_a_replay_is_the_message_as_it_was() -> None:
    """Bytes, id, properties, and the headers but for what would give it up at once."""
    kept = _kept(**{"deliveries": 9, "eta": "2026-11-21T10:00:00", "x-death": [1], "timelimit": [None, 5]})
    assert not _refusal(kept)
    [again] = taken("default")
    assert bytes(again.body) == BODY
    assert again.content_type == "application/json"
    assert {name: again.properties[name] for name in ("correlation_id", "reply_to", "priority", "delivery_mode")} == {
        "correlation_id": "t4711", "reply_to": "answers", "priority": 0, "delivery_mode": 2,
    }  # fmt: skip
    assert again.headers == {**message().headers, "timelimit": [None, 5], "retries": 0, "replays": 1}
    assert not again.headers.keys() & {*DROPPED, HEADER}


def test_a_replay_goes_to_where_its_task_is_routed_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups change between a failure and the day somebody looks."""
    kept = _kept()
    monkeypatch.setattr("workers.delivery.dead.replay.queue_of", lambda _: app.amqp.queues["batch"])
    assert not _refusal(kept)
    assert (len(taken("default")), len(taken("batch"))) == (0, 1)


def test_a_replay_is_recorded() -> None:
    """When, by whom, which one, and that the broker has it."""
    assert not _refusal(_kept(replays=1))
    record = Replay.objects.get()
    assert (record.number, record.by, record.queue, record.outcome) == (2, "me", "default", "sent")
    assert record.letter.state == "replayed"


def test_what_was_sent_again_and_has_not_come_back_is_left_alone() -> None:
    """It waits or runs; perhaps it is done."""
    kept = _kept()
    assert not _refusal(kept)
    kept.refresh_from_db()
    assert _refusal(kept) == "was sent again and has not come back: it waits, runs, or is done"
    assert len(taken("default")) == 1
    assert not _refusal(kept, force=True)
    assert len(taken("default")) == 1


def test_of_two_who_want_it_one_gets_it() -> None:
    """Both looked before either acted."""
    kept = _kept()
    other = DeadLetter.objects.get(pk=kept.pk)
    assert [_refusal(kept), _refusal(other)] == ["", "somebody else was quicker"]
    assert len(taken("default")) == 1


def test_a_letter_that_dies_again_and_again_is_refused_in_the_end() -> None:
    """The count comes with the message, so it is known even where the database was lost."""
    for number in range(MOST_REPLAYS):
        kept = _kept(replays=number)
        assert not _refusal(kept)
    kept = _kept(replays=MOST_REPLAYS)
    assert _refusal(kept) == "was sent again 3 times already"
    assert not _refusal(kept, force=True)
    assert [each.headers["replays"] for each in taken("default")] == [1, 2, 3, 4]


def test_an_older_letter_of_the_task_is_refused() -> None:
    """The newer one is the same task."""
    _kept(retries=0)
    _kept(retries=1)
    assert _refusal(DeadLetter.objects.get(state="again")) == "there is a newer letter of this task"


def test_what_is_too_late_is_refused_and_with_force_it_is_run() -> None:
    """A worker would drop it without a word."""
    past = datetime.now(UTC) - timedelta(hours=1)
    kept = _kept(expires=past.isoformat())
    assert _refusal(kept).startswith("it was to be done by 20")
    assert not _refusal(kept, force=True)
    assert "expires" not in taken("default")[0].headers


def test_a_deadline_that_is_still_to_come_stays() -> None:
    """It holds for the replay, too."""
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert not _refusal(_kept(expires=later))
    assert taken("default")[0].headers["expires"] == later


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"task": None}, "the message names no task"),
        ({"task": "no.such"}, "no worker group claims the task 'no.such': correct the name, or add it to a group's `tasks` in workers.yml"),
        ({"body": b"x" * (LARGEST_BODY + 1)}, "1048577 bytes of arguments are more than a message may have (1048576)"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_with_force_as_well(changes: dict[str, Any], refusal: str) -> None:
    """Each says why."""
    keep([Taken(message(**changes))], "default")
    kept = DeadLetter.objects.get()
    assert (_refusal(kept), _refusal(kept, force=True)) == (refusal, refusal)


def test_a_task_that_this_release_has_not_is_refused() -> None:
    """It would die again at once; with force it is sent: workers may run another release."""
    keep([Taken(message(task="celery.no_such"))], "default")
    kept = DeadLetter.objects.get()
    assert _refusal(kept) == "this release has no such task"
    assert not _refusal(kept, force=True)


def test_what_the_broker_does_not_take_stays_a_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the attempt in its history; the ones after it are not tried."""
    give_up("1", "2")
    collect_once()

    def away(*_: object) -> None:
        raise ConnectionError("nobody there")

    monkeypatch.setattr("workers.delivery.dead.replay._publish", away)
    [outcome] = replay(DeadLetter.objects.order_by("pk"), "me", rate=1000)
    assert outcome.refusal == "the broker did not take it: ConnectionError: nobody there"
    assert Replay.objects.get().outcome == "not sent: ConnectionError: nobody there"
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {"dead"}


def test_replays_keep_to_their_rate() -> None:
    """What failed all at once would else arrive all at once."""
    give_up(*map(str, range(6)))
    collect_once()
    began = time.monotonic()
    assert len(list(replay(DeadLetter.objects.all(), "me", rate=20))) == 6
    assert time.monotonic() - began >= 0.25
    assert len(taken("default")) == 6


def test_a_message_of_celerys_first_protocol_is_sent_again_as_well() -> None:
    """It has all in its body, and no headers."""
    old = message(b'{"task": "%s", "id": "t4711", "args": [], "kwargs": {}}' % TASK.encode())
    old.headers = {}
    keep([Taken(old)], "default")
    assert not _refusal(DeadLetter.objects.get())
    assert taken("default")[0].headers == {"replays": 1}
