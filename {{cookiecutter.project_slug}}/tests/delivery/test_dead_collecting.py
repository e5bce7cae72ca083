"""Letters come from the broker into the database once, and leave the broker only then."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DataError, OperationalError, connection
from django.db.models.functions import Now

from config.celery import app
from tests.conftest import steady
from tests.delivery.letters import BODY, TASK, give_up, letter, message, waiting
from workers.delivery.dead import collect
from workers.delivery.dead.collect import NotCollectedError, collect_once, keep
from workers.delivery.dead.inbox import BATCH, Taken, inbox
from workers.delivery.dead.letter import HEADER, Letter, send
from workers.delivery.dead.retention import KEPT, forget_old
from workers.delivery.models import DeadLetter, Replay

if TYPE_CHECKING:
    from redis import Redis

pytestmark = pytest.mark.django_db
QUEUE = "default.dead"


def test_a_letter_arrives_as_it_was_sent(broker: "Redis") -> None:
    """Every field; and the message, byte for byte."""
    sent = letter()
    send(sent, app)
    assert collect_once() == 1
    kept = DeadLetter.objects.get()
    for name in ("reason", "exception", "message", "traceback", "attempts", "first_at", "last_at", "worker", "group"):
        assert getattr(kept, name) == getattr(sent, name), name
    assert (kept.task, kept.task_id, kept.state) == (TASK, "t4711", "dead")
    assert kept.original == sent.original
    assert not waiting(broker, QUEUE)


def test_a_letter_is_kept_once_however_often_it_is_collected(broker: "Redis") -> None:
    """A collector may die after the commit, before the broker hears of it."""
    give_up("t4711")
    [key] = broker.keys(f"*{QUEUE}")
    raw = broker.lrange(key, 0, -1)
    assert collect_once() == 1
    broker.rpush(key, *raw)
    assert collect_once() == 0
    assert DeadLetter.objects.count() == 1
    assert not waiting(broker, QUEUE)


@pytest.mark.usefixtures("broker")
def test_another_death_of_the_same_task_is_another_letter() -> None:
    """The newest counts, whichever comes first; the one before says that it died again."""
    first, second = letter(retries=0), letter(retries=1)
    send(second, app)
    collect_once()
    send(first, app)
    assert collect_once() == 1
    states = dict(DeadLetter.objects.values_list("last_at", "state"))
    assert states == {first.last_at: "again", second.last_at: "dead"}


def test_letters_stay_with_the_broker_while_the_database_is_away(
    broker: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are taken off only once they are committed."""
    give_up("1", "2")

    def away(*_: object) -> int:
        raise OperationalError("no connection")

    with monkeypatch.context() as patched:
        patched.setattr(collect, "keep", away)
        with pytest.raises(OperationalError):
            collect_once()
    assert len(waiting(broker, QUEUE)) == 2
    assert collect_once() == 2


def test_many_are_collected_in_steps(broker: "Redis") -> None:
    """More than one step takes, of more than one group."""
    give_up(*map(str, range(BATCH + 10)))
    client: Any = broker
    [key] = client.keys(f"*{QUEUE}")
    for raw in client.lrange(key, 0, 4):
        broker.lpush(key.replace(b"default", b"batch"), raw.replace(b'"id": "', b'"id": "b'))
    assert collect_once() == BATCH + 15
    assert set(DeadLetter.objects.values_list("group", flat=True)) == {"default", "batch"}


@pytest.mark.parametrize("raw", [b"not json", b"[1, 2]", b"{}", b'{"properties": {}}', b"\xff\x00"])
def test_bytes_that_are_no_message_are_kept(broker: "Redis", raw: bytes) -> None:
    """Somebody wrote them there by hand; they hold nobody up."""
    give_up("1")
    [key] = broker.keys(f"*{QUEUE}")
    broker.rpush(key, raw)
    assert collect_once() == 2
    assert bytes(DeadLetter.objects.get(task="").body) == raw
    assert not waiting(broker, QUEUE)


def test_a_message_whose_compression_lies_holds_nobody_up(broker: "Redis") -> None:
    """Kombu's own way of reading raises there."""
    send(Letter.of_message(message(compression="application/x-gzip"), "not decodable"), app)
    [key] = broker.keys(f"*{QUEUE}")
    [raw] = broker.lrange(key, 0, -1)
    told = json.loads(raw)
    told["headers"]["compression"] = "application/x-gzip"
    broker.lset(key, 0, json.dumps(told))
    assert collect_once() == 1


#: As the client hands it out: without a zone, in UTC.
DEATH = {"count": 1, "reason": "delivery_limit", "queue": "batch", "time": datetime(2026, 11, 21, 10, 0)}  # noqa: DTZ001


@pytest.mark.parametrize(
    ("headers", "reason", "attempts", "said"),
    [
        ({"x-death": [DEATH], "x-delivery-count": 1}, "deliveries", 4, "RabbitMQ gave it up in batch: delivery_limit, after 20 deliveries"),
        ({"x-death": [{**DEATH, "reason": "rejected"}]}, "rejected", 4, "RabbitMQ gave it up in batch: rejected"),
        ({"x-death": "junk"}, "unroutable", 0, "the broker found no queue for it; or somebody put it here by hand"),
        ({HEADER: "{not json"}, "unroutable", 0, "the broker found no queue for it; or somebody put it here by hand"),
        ({HEADER: "[1]"}, "unroutable", 0, "the broker found no queue for it; or somebody put it here by hand"),
    ],
)  # fmt: skip
def test_what_the_broker_gave_up_is_understood(headers: dict[str, Any], reason: str, attempts: int, said: str) -> None:
    """It has no header of ours, and comes with the broker's own word for it; or with none."""
    taken = Taken(message(**headers))
    assert (keep([taken], "batch"), keep([taken], "batch")) == (1, 0)
    kept = DeadLetter.objects.get()
    assert (kept.reason, kept.attempts, kept.message, kept.group) == (reason, attempts, said, "batch")
    assert bytes(kept.body) == BODY
    if reason in ("deliveries", "rejected"):
        assert kept.last_at == datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def test_what_was_to_be_done_by_a_time_is_no_failure() -> None:
    """RabbitMQ drops what is past its time to where dead letters go."""
    assert keep([Taken(message(**{"x-death": [{**DEATH, "reason": "expired"}]}))], "batch") == 0
    assert not DeadLetter.objects.exists()


@pytest.mark.usefixtures("broker")
def test_a_letter_that_claims_nonsense_is_kept() -> None:
    """Numbers that no database holds, text that PostgreSQL does not take."""
    lies = {"reason": ["a"] * 99, "attempts": 10**40, "first_at": "never", "message": "\0" * 5000, "properties": 3}
    headers = {HEADER: json.dumps(lies), "replays": 10**40, "task": "a\0b" * 500, "id": "\ud800"}
    assert keep([Taken(message(**headers))], "default") == 1
    assert DeadLetter.objects.get().attempts == 2**31 - 2


def test_what_the_database_refuses_leaves_the_others_and_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step holds many letters; one of them must not keep all of them from being kept, again and again."""
    genuine = DeadLetter.objects.bulk_create

    def picky(rows: Any, **options: Any) -> Any:
        rows = list(rows)
        if any(row.task_id == "bad" for row in rows):
            raise DataError("value out of range")
        return genuine(rows, **options)

    monkeypatch.setattr(DeadLetter.objects, "bulk_create", picky)
    monkeypatch.setattr(DeadLetter._default_manager, "bulk_create", picky)
    assert keep([Taken(message(id=name)) for name in ("good", "bad", "fine")], "default") == 3
    kept = DeadLetter.objects.get(task_id="")
    assert (kept.reason, kept.message, bytes(kept.body)) == ("invalid", "value out of range", BODY)


def test_a_queue_that_cannot_be_read_does_not_keep_the_others_from_it(
    broker: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its leader may be away. What could be collected is; then the error is raised, by the queue's name."""
    give_up("1")
    genuine = inbox

    def broken(channel: Any, queue: str) -> Any:
        if queue == "batch.dead":
            raise ConnectionError("no leader")
        return genuine(channel, queue)

    monkeypatch.setattr(collect, "inbox", broken)
    with pytest.raises(NotCollectedError, match=r"^batch\.dead: no leader$"):
        collect_once()
    assert DeadLetter.objects.count() == 1
    assert not waiting(broker, QUEUE)


def test_old_letters_go_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """After KEPT, in whatever state; what nobody had decided upon is named in the log."""
    keep([Taken(message(id=name)) for name in ("young", "old", "old and replayed")], "default")
    DeadLetter.objects.exclude(task_id="young").update(last_at=Now() - KEPT - timedelta(minutes=1))
    DeadLetter.objects.filter(task_id="old and replayed").update(state="replayed")
    Replay.objects.create(letter=DeadLetter.objects.get(task_id="old"), number=1, by="a", queue="b")
    assert forget_old() == 2
    assert DeadLetter.objects.get().task_id == "young"
    assert "'old'" in caplog.text
    assert "replayed" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_several_collectors_keep_each_letter_once(broker: "Redis") -> None:
    """Several relays run, and every command of an operator collects as well."""
    names = [str(number) for number in range(3 * BATCH)]
    give_up(*names)

    def once() -> None:
        try:
            collect_once()
        except OperationalError as error:
            assert "locked" in str(error)  # noqa: PT017 - SQLite has one writer, and says so: the next round does it
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(once) for _ in range(4)]:
            each.result()
    collect_once()
    assert sorted(DeadLetter.objects.values_list("task_id", flat=True)) == sorted(names)
    assert not waiting(broker, QUEUE)


def test_a_broker_that_is_away_is_said_at_once(broker: "Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator asks in an emergency; each queue by itself would take as long again."""
    port = str(broker.connection_pool.connection_kwargs["port"])
    changes: Any = app.conf.changes
    monkeypatch.setitem(changes, "broker_url", app.conf.broker_url.replace(port, "1"))
    began = steady()
    with pytest.raises(NotCollectedError, match=r"^the broker refuses connections: nothing listens there$"):
        collect_once()
    assert steady() - began < 2
