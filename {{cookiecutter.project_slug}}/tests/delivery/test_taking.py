"""A message is in its queue or noted as held, never on its way to nobody: whoever takes it may be gone meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

import pytest
from celery import Celery
from kombu import Consumer
from redis.exceptions import ConnectionError  # noqa: A004 - the client's own, not Python's

from tests.delivery.channels import app as app  # noqa: PLC0414 - a fixture
from tests.delivery.channels import opened, publish
from workers.brokers.redis import taking
from workers.brokers.redis.holding import Held

#: Seconds that a wait stands at the server where a test sends something within it; a busy machine is slow to.
WAIT = 15


class Taker:
    """A consumer of the queue `batch` that acknowledges nothing by itself; `got`: what was delivered to it."""

    def __init__(self, app: Celery, channel: Any, prefetch: int, on_message: Callable[[Any], None] | None) -> None:
        self.got: list[Any] = []
        self.channel = channel
        self.connection = channel.connection.client
        queue = app.amqp.queues["batch"]
        self.consumer = Consumer(channel, [queue], on_message=on_message or self.got.append, prefetch_count=prefetch)
        self.consumer.consume()

    def drain(self, seconds: float = 0.5) -> list[Any]:
        """Consume until nothing has come for so long."""
        try:
            while True:
                self.connection.drain_events(timeout=seconds)
        except TimeoutError:
            return [message.payload for message in self.got]


@contextmanager
def taker(app: Celery, prefetch: int = 0, on_message: Callable[[Any], None] | None = None) -> Iterator[Taker]:
    """One with a connection of its own."""
    with opened(app) as channel:
        yield Taker(app, channel, prefetch, on_message)


def held(app: Celery) -> int:
    """How many messages are noted as held."""
    with opened(app) as channel:
        return int(channel.client.hlen("unacked"))


def ready(app: Celery) -> int:
    """How many wait in the queue."""
    with opened(app) as channel:
        return int(channel.client.llen("batch"))


def sweep(app: Celery) -> None:
    """Do what every worker does every ten seconds, as if nobody had been heard of for longer."""
    with opened(app) as channel:
        server = channel._create_client()
        for hand in server.zrange(taking.HANDS, 0, -1):
            server.zadd(taking.HANDS, {hand: 1})
        channel.qos.restore_visible(interval=1)


def test_what_a_consumer_that_is_gone_was_handed_comes_back(app: Celery) -> None:
    """Its wait stands on at the server, which knows nothing of a host without power."""
    with taker(app) as gone:
        gone.channel.brpop_timeout = WAIT
        assert gone.drain() == []  # from here on nobody reads what it is sent
        publish(app, 1)
        assert (ready(app), held(app)) == (0, 0)
        sweep(app)
        with taker(app) as alive:
            assert alive.drain() == [1]
            assert gone.drain() == []  # it was only slow: its hand is empty
            alive.got[0].ack()


def test_a_hand_is_watched_before_anything_comes_into_it(app: Celery) -> None:
    """One that could not wait for long, its prefetch used up, is taken for gone meanwhile."""
    publish(app, 1)
    with taker(app, prefetch=1) as busy:
        assert busy.drain() == [1]
        busy.channel._drained_at = monotonic() - taking.GONE  # so long ago it found the queue empty
        sweep(app)
        busy.got[0].ack()
        busy.channel.brpop_timeout = WAIT
        busy.drain()
        publish(app, 2)
        assert ready(app) == 0
        sweep(app)
        assert ready(app) == 1


def test_what_was_taken_is_noted_in_the_same_step(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the two a process could be killed; what is noted comes back after the visibility timeout."""
    publish(app, 1)
    with taker(app) as killed:
        monkeypatch.setattr(killed.connection.transport, "_deliver", _fail)
        with pytest.raises(RuntimeError):
            killed.drain()
        assert (ready(app), held(app)) == (0, 1)


def test_an_answer_that_is_lost_is_asked_for_again(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its messages were taken, by this process; the visibility timeout, an hour, would be for nothing."""
    publish(app, 1)
    publish(app, 2)
    with taker(app, prefetch=1) as first:
        client, read = first.channel.client, first.channel.client.parse_response
        unread = ["EVAL"]

        def lose(connection: Any, command: str, **options: Any) -> Any:
            answer = read(connection, command, **options)
            if command in unread:
                unread.remove(command)
                raise ConnectionError("the primary's power was lost")
            return answer

        monkeypatch.setattr(client, "parse_response", lose)
        with suppress(ConnectionError):  # behind Sentinels the channel goes on by itself
            first.drain()
        assert not unread
        got = len(first.got)
    with taker(app, prefetch=1) as second:
        assert second.drain() == [1]
        assert second.got[0].headers.get("deliveries", 0) == got
        second.got[0].ack()
        assert second.drain() == [1, 2]
        second.got[1].ack()
    assert (ready(app), held(app)) == (0, 0)


def test_a_channel_that_closes_gives_back_what_it_had_just_taken(app: Celery) -> None:
    """A worker that stops always has a request under way."""
    publish(app, 1)
    with taker(app) as stopping:
        stopping.channel.connection.cycle.on_poll_start()
    assert (ready(app), held(app)) == (1, 0)


def test_no_more_is_taken_than_the_prefetch_allows(app: Celery) -> None:
    """The rest is for others."""
    for number in range(5):
        publish(app, number)
    with taker(app, prefetch=2) as first, taker(app) as second:
        assert first.drain() == [0, 1]
        assert second.drain() == [2, 3, 4]
        assert held(app) == 5
    assert (ready(app), held(app)) == (5, 0)


def test_one_that_fails_takes_none_with_it(app: Celery) -> None:
    """Several are taken at once; those behind it are given back with the channel."""
    for number in range(3):
        publish(app, number)
    got: list[Any] = []

    def fail_after_one(message: Any) -> None:
        if got:
            _fail()
        got.append(message)

    with taker(app, on_message=fail_after_one) as failing:
        with pytest.raises(RuntimeError):
            failing.drain()
        assert (ready(app), held(app), len(failing.channel.qos._delivered)) == (0, 3, 3)
    assert (ready(app), held(app)) == (3, 0)


def test_an_acknowledgement_that_fails_frees_its_place(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer whose places all stay taken asks for nothing, and is deaf for ever; the note goes with the next one."""
    for item in range(2):
        publish(app, {"item": item})
    with taker(app, prefetch=1) as one:
        one.drain()
        with monkeypatch.context() as away:
            away.setattr(Held, "_remove_from_indices", broken)
            with pytest.raises(ConnectionError):
                one.got[0].ack()
        assert one.drain() == [{"item": 0}, {"item": 1}]
        assert held(app) == 2
        one.got[1].ack()
        assert held(app) == 0


def broken(*_: object, **__: object) -> None:
    """What the server's loss comes to."""
    raise ConnectionError


def test_two_messages_with_one_delivery_tag_are_two(app: Celery) -> None:
    """As a sender leaves them that tried again; acknowledged with the first, the second would be gone with its holder."""
    publish(app, 1)
    with opened(app) as channel:
        channel.client.lpush("batch", channel.client.lindex(channel.prefixed("batch"), 0))
    with taker(app) as both:
        assert both.drain() == [1, 1]
        both.got[0].ack()
        assert held(app) == 1


@pytest.mark.parametrize("item", [b"\xff{", b"[1]", b'{"body": 1}'])
def test_what_is_no_message_comes_back_as_it_was(app: Celery, item: bytes) -> None:
    """Whoever was to refuse it died before."""
    with opened(app) as channel:
        channel.client.lpush("batch", item)
        command = (taking.TAKE, 5, *map(channel.prefixed, ("unacked_index", "unacked", "batch", "hand", "hands")))
        assert channel._create_client().eval(*command, 1, ', "", "batch"]', 0, "tag") == [item]
        channel.qos.restore_visible(interval=1)
        assert (held(app), channel.client.lrange(channel.prefixed("batch"), 0, -1)) == (0, [item])


def test_a_queue_is_worked_off_while_the_memory_is_full(app: Celery) -> None:
    """Waiting may not be refused then: the worker would stop, and nothing would ever become free."""
    with taker(app) as worker, opened(app) as other:
        server = other._create_client()
        for number in range(40):
            publish(app, number)
        server.config_set("maxmemory", 1)
        try:
            assert worker.drain() == list(range(40))
            worker.got[0].reject()
            for message in worker.got[1:]:
                message.ack()
            worker.drain()
            assert held(app) == 0
            server.config_set("maxmemory", 0)
            publish(app, "more")
            assert worker.drain(2)[-1] == "more"
        finally:
            server.config_set("maxmemory", 0)


def test_what_nobody_acknowledges_is_not_noted(app: Celery) -> None:
    """Replies to remote control would be given back for ever."""
    publish(app, 1)
    with opened(app) as channel:
        got: list[Any] = []
        queue = app.amqp.queues["batch"](channel)
        Consumer(channel, [queue], on_message=got.append, no_ack=True).consume()
        channel.connection.client.drain_events(timeout=2)
        assert ([message.payload for message in got], held(app)) == ([1], 0)


def _fail(*_: object) -> None:
    raise RuntimeError("the process ends here")
