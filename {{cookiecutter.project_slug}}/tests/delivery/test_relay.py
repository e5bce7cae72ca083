"""The relay sends what is left, once, whoever dies meanwhile, and one message that cannot be sent stops no other."""

import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from redis import Redis

from config.celery import app
from tests.conftest import free_port, steady, until
from tests.delivery.ground import Ground
from tests.delivery.outboxes import MANY, keep, sent
from workers.delivery import duties
from workers.delivery.duties import Duty
from workers.delivery.models.letters import DeadLetter
from workers.delivery.models.outbox import OutboxMessage
from workers.delivery.outbox import batch, relay, sender, store
from workers.delivery.outbox.batch import Outcome
from workers.delivery.outbox.relay import Relay
from workers.local.redis_server import embedded_redis
from workers.topology.budgets import RELAY_DATABASE_CONNECTIONS

BOTH = pytest.mark.parametrize("on", ["on_sqlite", "on_postgresql"], indirect=True)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def left(on: Ground) -> int:
    """Rows that are still there."""
    return int(on.sql("SELECT count(*) FROM delivery_outboxmessage")[0][0])


def fill(on: Ground) -> None:
    """Many rows that are due."""
    done = on.run("-m", "tests.delivery.outboxes", "fill")
    assert done.returncode == 0, done.stderr
    on.sql("UPDATE delivery_outboxmessage SET due_at = written_at")


@BOTH
def test_several_relays_send_each_message_once(on: Ground) -> None:
    """None takes what another one has, on either database."""
    fill(on)
    with on.relays(3):
        until(lambda: not left(on), "an empty outbox")
    assert len(sent(on.broker)) == MANY
    assert set(sent(on.broker).values()) == {1}


@BOTH
def test_a_relay_killed_in_a_batch_loses_nothing(on: Ground) -> None:
    """What it had taken is due again when its lease is over; of that, what it had sent is sent twice."""
    fill(on)
    died = on.run("-m", "tests.delivery.outboxes", "relay_and_die")
    assert died.returncode == -9, died.stderr
    assert left(on) == MANY - store.BATCH
    assert sum(sent(on.broker).values()) == store.BATCH * 3 // 2
    on.sql("UPDATE delivery_outboxmessage SET due_at = written_at")
    assert on.run("-m", "workers", "relay", "--once").returncode == 0
    times = sent(on.broker)
    assert len(times) == MANY
    assert sorted(times.values()).count(2) == store.BATCH // 2
    assert max(times.values()) == 2


def test_it_waits_for_the_broker_and_for_the_database(on_postgresql: Ground, tmp_path: Path) -> None:
    """Neither ends it, and nobody has to restart it: when they are back, it sends."""
    on, port = on_postgresql, free_port()
    url = f"redis://:only-for-tests@127.0.0.1:{port}"
    on.env |= {"BROKER_URL": f"{url}/0"}
    fill(on)
    with on.relays() as (process,):
        log = on.folder / "relay.log"
        until(lambda: "duty_failed" in log.read_text(encoding="utf-8"), "its complaint")
        on.sql("ALTER TABLE delivery_outboxmessage RENAME TO away")
        until(lambda: "delivery_outboxmessage" in log.read_text(encoding="utf-8"), "its other complaint")
        with embedded_redis(url, tmp_path / "redis"), Redis.from_url(url) as client:
            on.sql("ALTER TABLE away RENAME TO delivery_outboxmessage")
            until(lambda: not left(on), "an empty outbox")
            assert len(sent(client)) == MANY
        assert process.poll() is None


def test_it_stops_within_seconds(on_sqlite: Ground) -> None:
    """A unit that is stopped must not be killed."""
    with on_sqlite.relays() as (process,):
        log = on_sqlite.folder / "relay.log"
        until(lambda: "relay_started" in log.read_text(encoding="utf-8"), "its start")
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert process.wait(timeout=240) == 0
        assert time.monotonic() - began < duties.STOP_WITHIN + 3
        assert "relay_stopped" in log.read_text(encoding="utf-8")


@pytest.fixture
def rows(broker: Redis, monkeypatch: pytest.MonkeyPatch, db: None) -> Callable[[int], list[OutboxMessage]]:  # noqa: ARG001
    """Write so many rows that are due."""
    monkeypatch.setattr(sender, "_pool", None)

    def write(number: int) -> list[OutboxMessage]:
        with monkeypatch.context() as closed:
            closed.setattr(sender, "is_open", lambda _queue: False)
            for item in range(number):
                keep.delay(item=item)
        return list(OutboxMessage.objects.all())

    return write


def make_due() -> None:
    """All at once."""
    OutboxMessage.objects.update(due_at=LONG_AGO)


Rows = Callable[[int], list[OutboxMessage]]


def test_one_that_cannot_be_sent_stops_no_other(broker: Redis, rows: Rows) -> None:
    """Its queue and its group are gone; the others go out, and it is tried again later."""
    first, *others = rows(3)
    gone = first.message.replace('"queue": "default"', '"queue": "gone"').replace("celery.keep", "nobodys.task")
    OutboxMessage.objects.filter(pk=first.pk).update(message=gone)
    assert Relay(app, lambda: False).send_once() == 2
    assert set(sent(broker)) == {row.task_id for row in others}
    kept = OutboxMessage.objects.get()
    assert (kept.tries, "no worker group claims the task 'nobodys.task'" in kept.error) == (1, True)
    assert not store.is_any_due()


def test_after_its_tries_it_is_a_dead_letter(broker: Redis, rows: Rows) -> None:
    """With the reason and the message as it was, so that it can be sent again by hand."""
    (row,) = rows(1)
    gone = row.message.replace('"queue": "default"', '"queue": "gone"').replace("celery.keep", "nobodys.task")
    OutboxMessage.objects.update(message=gone)
    for _ in range(relay.TRIES):
        make_due()
        Relay(app, lambda: False).send_once()
    assert not OutboxMessage.objects.exists()
    letter = DeadLetter.objects.get()
    assert (letter.reason, letter.task, letter.task_id) == ("not sent", "nobodys.task", row.task_id)
    assert letter.exception == "UnroutedTaskError"
    assert letter.first_at == row.written_at
    assert sent(broker) == {}


def test_a_queue_that_is_full_costs_no_try(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the message's fault: it is kept for as long as that takes."""
    (row,) = rows(1)
    monkeypatch.setattr(batch, "send", lambda *_: Outcome(kept={row.pk: batch.REFUSED}))
    for _ in range(3):
        make_due()
        Relay(app, lambda: False).send_once()
    assert OutboxMessage.objects.get().tries == 0


def test_what_is_unclear_is_sent_again(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection broke before the confirms were there: they may have arrived, or not."""
    first, second = rows(2)
    monkeypatch.setattr(batch, "send", lambda *_: Outcome(sent=[first.pk], lost=ConnectionError("broken")))
    with pytest.raises(ConnectionError, match="broken"):
        Relay(app, lambda: False).send_once()
    assert OutboxMessage.objects.get().pk == second.pk
    assert OutboxMessage.objects.get().claim == ""


@pytest.mark.parametrize("url", ["amqps://rabbit.test", "rediss://redis.test"])
def test_a_connection_that_broke_unused_holds_up_nothing(url: str, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its node died while nobody sent: what was taken for it is due again at once, not when the lease is over."""
    rows(2)
    broken = BrokenConnection()
    monkeypatch.setattr(batch, "is_rabbitmq", lambda _: url.startswith("amqps"))
    monkeypatch.setattr(Relay, "_connected", lambda _: broken)
    with pytest.raises(ConnectionResetError):
        Relay(app, lambda: False).send_once()
    assert {row.claim for row in OutboxMessage.objects.all()} == {""}
    until(store.is_any_due, "the next try", seconds=relay.LOST_PAUSE + 2)


class BrokenConnection:
    """What a relay kept, and whose peer is gone."""

    @property
    def default_channel(self) -> object:
        """Redis."""
        raise ConnectionResetError

    def channel(self) -> object:
        """RabbitMQ."""
        raise ConnectionResetError


def test_it_comes_up_for_air(broker: Redis, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is to send: a duty that returns is not stuck."""
    rows(3)
    monkeypatch.setattr(store, "BATCH", 1)
    monkeypatch.setattr(relay, "TURN", 0.001)
    assert Relay(app, lambda: False).send_once() == 1
    assert len(sent(broker)) == 1


def test_what_one_relay_has_no_other_one_takes(rows: Rows) -> None:
    """Until its lease is over."""
    rows(3)
    make_due()  # not in this very millisecond, which SQLite's clock leaves to the next
    assert len(store.take()) == 3
    assert store.take() == []
    make_due()
    assert len(store.take()) == 3


def test_a_duty_that_fails_holds_up_no_other() -> None:
    """It is tried again, later each time; the others go on in their time."""
    stopping = Event()
    done: list[str] = []

    def fails() -> int:
        done.append("fails")
        raise RuntimeError("no")

    def works() -> int:
        done.append("works")
        if done.count("works") == 20:
            stopping.set()
        return 1

    duties.work([Duty("bad", 0.01, fails), Duty("good", 0.01, works)], stopping)
    assert done.count("works") == 20
    assert 2 <= done.count("fails") < 10


def test_a_duty_that_hangs_does_not_hold_up_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Systemd would kill it, and the others' work with it."""
    monkeypatch.setattr(duties, "STOP_WITHIN", 0.2)
    stopping, end = Event(), Event()

    def hangs() -> int:
        stopping.set()
        return int(end.wait(30))

    began = steady()
    duties.work([Duty("hangs", 1, hangs)], stopping)
    assert steady() - began < 5
    end.set()


def test_there_is_a_connection_for_each_duty() -> None:
    """Of which the topology's budget knows: each duty has a thread, and so a connection to the database."""
    assert len(duties.duties(app, Event())) <= RELAY_DATABASE_CONNECTIONS


def test_once_says_what_was_done_and_what_failed(on_sqlite: Ground) -> None:
    """One line a duty; the exit code tells a script."""
    fill(on_sqlite)
    told: Any = on_sqlite.run("-m", "workers", "relay", "--once")
    assert (told.returncode, told.stdout.splitlines()[0]) == (0, f"outbox        {MANY}")
    on_sqlite.env["BROKER_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    fill(on_sqlite)
    told = on_sqlite.run("-m", "workers", "relay", "--once")
    assert told.returncode == 1
    assert told.stderr.startswith("outbox        failed: ")
    assert "Connection refused" in told.stderr
