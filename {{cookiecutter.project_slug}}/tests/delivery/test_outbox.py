"""A durable task is never forgotten: it is written with what it belongs to, and sent when that is committed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import chord
from celery.exceptions import Retry
from django.db import DatabaseError, transaction
from django.db.models import F
from django.test import Client
from kombu.exceptions import OperationalError
from redis import Redis

from config.celery import app
from tests.conftest import free_port
from tests.delivery.ground import Ground
from tests.delivery.outboxes import count, keep, resend, sent, sum_up
from workers.delivery.models.outbox import OutboxMessage
from workers.delivery.outbox import dispatch, sender, store
from workers.delivery.outbox.message import NotDurableError
from workers.delivery.outbox.relay import Relay
from workers.delivery.size import MessageTooLargeError

pytestmark = pytest.mark.django_db(transaction=True)
BOTH = pytest.mark.parametrize("on", ["on_sqlite", "on_postgresql"], indirect=True)
DUE = "UPDATE delivery_outboxmessage SET due_at = written_at"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection of a test before, and no failure that is remembered."""
    monkeypatch.setattr(sender, "_pool", None)
    monkeypatch.setattr(sender, "_closed_until", {})


@pytest.fixture
def nobody(broker: Redis, monkeypatch: pytest.MonkeyPatch) -> Redis:
    """The broker is away: nothing listens at its address; the value is a client of where it is not."""
    changes: Any = app.conf.changes
    monkeypatch.setitem(changes, "broker_url", f"redis://127.0.0.1:{free_port()}/0")
    return broker


def relay() -> int:
    """Send what is left, at once."""
    OutboxMessage.objects.update(due_at=datetime(2000, 1, 1, tzinfo=UTC))
    return Relay(app, lambda: False).send_once()


def waiting() -> list[Any]:
    """The messages that wait, decoded."""
    return [json.loads(row.message) for row in OutboxMessage.objects.all()]


def test_it_is_sent_after_the_commit_and_not_before(broker: Redis) -> None:
    """A worker that is quicker than the commit would not find what the task is about."""
    with transaction.atomic():
        result = keep.delay(item=1)
        assert sent(broker) == {}
        assert OutboxMessage.objects.count() == 1
    assert sent(broker) == {result.id: 1}
    assert OutboxMessage.objects.count() == 0


def test_what_is_rolled_back_is_gone(broker: Redis) -> None:
    """The order does not exist; also where only a savepoint is taken back."""
    with transaction.atomic():
        keep.delay(item=1)
        transaction.set_rollback(True)
    with transaction.atomic():
        kept = keep.delay(item=2)
        with transaction.atomic():
            keep.delay(item=3)
            transaction.set_rollback(True)
    assert sent(broker) == {kept.id: 1}
    assert OutboxMessage.objects.count() == 0


def test_outside_of_a_transaction_it_is_written_first(nobody: Redis) -> None:
    """Accepted is accepted, with or without a transaction; nobody hears of the broker."""
    result = keep.delay(item=1)
    assert [message["task_id"] for message in waiting()] == [result.id]
    assert sent(nobody) == {}


def test_a_broker_that_is_away_costs_one_try(nobody: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next requests do not wait for it as well: for some seconds all is left to the relay, which may begin."""
    tries: list[object] = []
    send = sender.send

    def counted(*given: Any) -> None:
        tries.append(given)
        send(*given)

    monkeypatch.setattr(sender, "send", counted)
    for item in range(5):
        keep.delay(item=item)
    assert len(tries) == 1
    assert OutboxMessage.objects.count() == 5
    OutboxMessage.objects.update(due_at=F("due_at") - timedelta(seconds=1))  # a second later
    assert len(store.take()) == 4  # all but the first, which was ours to send
    assert sent(nobody) == {}


def test_the_relay_sends_what_is_left(broker: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which it was accepted, and it keeps nothing."""
    with monkeypatch.context() as closed:
        closed.setattr(sender, "is_open", lambda _queue: False)
        ids = [keep.delay(item=item).id for item in range(3)]
    assert relay() == 3
    keys: Any = broker.keys("*default")
    raw: Any = broker.lrange(keys[0], 0, -1)
    assert [json.loads(text)["headers"]["id"] for text in reversed(raw)] == ids
    assert OutboxMessage.objects.count() == 0


def test_the_message_is_what_it_would_have_been(broker: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Id, headers, links and priority: sent later it is sent the same."""
    options: dict[str, Any] = {
        "task_id": "its-own",
        "headers": {"tenant": "north"},
        "link": count.si(1),
        "priority": 3,
        "expires": 600,
        "shadow": "kept",
    }
    messages = []
    for durable in (True, False):
        monkeypatch.setattr(keep, "durable", durable)
        monkeypatch.setattr(sender, "is_open", lambda _queue: False)
        keep.apply_async(kwargs={"item": 7}, **options)
        relay()
        keys: Any = broker.keys("*default*")
        found: Any = broker.blpop(keys, 1)
        messages.append(json.loads(found[1]))
    late, plain = messages
    for message in messages:
        for name in ("expires", "first_sent", "origin"):
            assert message["headers"].pop(name)
        for name in ("delivery_tag", "argsrepr", "kwargsrepr"):
            message["properties"].pop(name, None)
    assert late == plain


def test_a_countdown_counts_from_the_call(nobody: Redis) -> None:
    """Sent late, the task is due when it was to be, and no later."""
    keep.apply_async(kwargs={"item": 1}, countdown=60)
    (message,) = waiting()
    due = datetime.fromisoformat(message["headers"]["eta"])
    assert abs(due - datetime.now(UTC) - timedelta(seconds=60)) < timedelta(seconds=5)
    assert sent(nobody) == {}


def test_what_is_too_late_is_not_sent(broker: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own time has run out while the broker was away."""
    monkeypatch.setattr(sender, "is_open", lambda _queue: False)
    keep.apply_async(expires=datetime.now(UTC) - timedelta(seconds=1))
    assert relay() == 0
    assert (sent(broker), OutboxMessage.objects.count()) == ({}, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"args": ["x" * 2**20]}, "celery.keep was sent with 1.0 MiB of arguments"),
        ({"kwargs": {"item": object()}}, "celery.keep was sent with arguments that cannot be kept as json"),
        ({"headers": {"tenant": object()}}, "celery.keep was sent with headers that are not JSON"),
    ],
    ids=["size", "arguments", "headers"],
)
def test_what_cannot_be_kept_is_refused_at_the_call(broker: Redis, arguments: Any, said: str) -> None:
    """Whoever sends it learns of it, and not the log of a relay."""
    with pytest.raises((NotDurableError, MessageTooLargeError), match=said):
        keep.apply_async(**arguments)
    assert (sent(broker), OutboxMessage.objects.count()) == ({}, 0)


def test_without_the_database_nothing_is_accepted(broker: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that cannot be written must not be answered as accepted."""

    def away(*_: object, **__: object) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(OutboxMessage, "save", away)
    with pytest.raises(DatabaseError):
        keep.delay(item=1)
    assert sent(broker) == {}


def test_a_row_that_cannot_be_deleted_is_no_error(broker: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker has the message: the caller is told so, and a relay sends it once more."""

    def away(_pks: object) -> None:
        raise DatabaseError("away")

    with monkeypatch.context() as broken:
        broken.setattr(store, "forget", away)
        result = keep.delay(item=1)
    assert relay() == 1
    assert sent(broker) == {result.id: 2}


def test_after_a_long_transaction_a_relay_may_have_it(broker: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row was due when it was committed: only one of the two sends it."""
    monkeypatch.setattr(store, "GRACE", 0)
    with transaction.atomic():
        keep.delay(item=1)
        OutboxMessage.objects.update(claim="a relay's")  # took it right after the commit
    assert sent(broker) == {}
    assert relay() == 1


def test_a_retry_goes_without_the_outbox(broker: Redis) -> None:
    """It is not new: it is accepted already, and the worker holds it until it is sent."""
    resend.push_request(id="1", args=(), kwargs={}, retries=0, called_directly=False, is_eager=False)
    with pytest.raises(Retry), transaction.atomic():
        resend.retry(countdown=1)
    resend.pop_request()
    assert (sent(broker), OutboxMessage.objects.count()) == ({"1": 1}, 0)


def test_beat_sends_by_itself(nobody: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a record of each slot, and is told what became of it."""
    seen: list[object] = []
    from_beat: Any = {"celery_beat_task": True}
    monkeypatch.setattr(dispatch, "dispatch", lambda *given: seen.append(given))
    with pytest.raises(OperationalError):
        keep.apply_async(headers=from_beat, retry=False)
    assert (seen, sent(nobody)) == ([], {})


def test_a_chord_is_kept_whole(broker: Redis) -> None:
    """Its parts are written with the transaction, each with what the end is."""
    with transaction.atomic():
        chord([count.s(1), count.s(2)], sum_up.s()).delay()
        assert [message["task"] for message in waiting()] == ["celery.count"] * 2
        assert all("sum_up" in message["body"] for message in waiting())
        assert sent(broker) == {}
    assert sum(sent(broker).values()) == 2


@BOTH
def test_killed_before_the_commit_nothing_was_accepted(on: Ground) -> None:
    """Neither the order nor its task is there."""
    ended = on.run("-m", "tests.delivery.outboxes", "die_before_the_commit")
    assert ended.returncode == -9, ended.stderr
    on.sql(DUE)
    assert on.run("-m", "workers", "relay", "--once").returncode == 0
    assert sent(on.broker) == {}


@BOTH
def test_killed_between_commit_and_broker_it_is_sent_by_a_relay(on: Ground) -> None:
    """The order is there, so its task is."""
    ended = on.run("-m", "tests.delivery.outboxes", "die_before_it_is_sent")
    assert ended.returncode == -9, ended.stderr
    assert sent(on.broker) == {}
    on.sql(DUE)
    relayed = on.run("-m", "workers", "relay", "--once")
    assert relayed.returncode == 0, relayed.stderr
    assert "outbox        1" in relayed.stdout
    assert sent(on.broker) == {ended.stdout.strip(): 1}


@BOTH
def test_killed_before_it_noted_that_it_was_sent_it_is_sent_twice(on: Ground) -> None:
    """Under one id: whoever must not do it twice tells by that. Better than not at all."""
    ended = on.run("-m", "tests.delivery.outboxes", "die_before_it_is_noted")
    assert ended.returncode == -9, ended.stderr
    on.sql(DUE)
    assert on.run("-m", "workers", "relay", "--once").returncode == 0
    assert sent(on.broker) == {ended.stdout.strip(): 2}


def test_the_admin_shows_what_waits_and_not_what_is_in_it(nobody: Redis, admin_client: Client) -> None:
    """Whoever looks after it sees which tasks, since when and why; arguments are the customers'."""
    result = keep.delay(item=4242)
    (row,) = OutboxMessage.objects.all()
    pages = [admin_client.get(f"/admin/delivery/outboxmessage/{path}") for path in ("", f"{row.pk}/change/")]
    for page in pages:
        assert page.status_code == 200
        assert result.id in page.text
        assert "4242" not in page.text
    assert admin_client.get("/admin/delivery/outboxmessage/add/").status_code == 403
    assert sent(nobody) == {}
