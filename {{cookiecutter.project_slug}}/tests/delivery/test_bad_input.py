"""Whatever stands in a queue: it becomes a dead letter with its reason, the worker lives, and the queue moves on."""

import json
import os
import pickle
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, patch
from uuid import uuid4

import pytest
from celery import Celery
from celery.app.task import Context
from celery.worker import state
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kombu import Connection, Message

from tests.conftest import until
from tests.delivery.stage import Stage, stage
from workers.brokers import redis as transports
from workers.brokers.redis.messages import Message as RedisMessage
from workers.delivery.base import Task
from workers.delivery.headers import count
from workers.delivery.size import LARGEST_BODY, MessageTooLargeError
from workers.steps import refusing
from workers.steps.consumer import Consumer

TASK = "shop.tasks.default.work"
BODY = [[0], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]


class Hostile:
    """Code that runs where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.file}",)

    file = "/nonexistent"


def headers(**changes: Any) -> dict[str, Any]:
    """Those of a good message, and what is changed in them; None takes one away."""
    good = {"task": TASK, "id": str(uuid4()), "retries": 0, "lang": "py", "eta": None, "timelimit": [None, None]}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def envelope(body: Any = BODY, kind: str = "application/json", encoding: Any = "utf-8", **changes: Any) -> bytes:
    """A message as kombu puts it into Redis."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    place = {"exchange": "tasks", "routing_key": "default"}
    properties = {"body_encoding": "base64", "delivery_tag": str(uuid4()), "delivery_info": place, "priority": 0}
    message = {"body": b64encode(raw).decode(), "content-type": kind, "content-encoding": encoding}
    return json.dumps({**message, "headers": headers(**changes), "properties": properties}).encode()


def _changed(**parts: Any) -> bytes:
    """A good envelope with other parts."""
    return json.dumps({**json.loads(envelope()), **parts}).encode()


FAR = (datetime.now(UTC) + timedelta(days=3650)).isoformat()
BAD: dict[str, tuple[str, bytes]] = {
    "no JSON at all": ("invalid", b"\xff\x00 what is this"),
    "JSON, and no message": ("invalid", b"42"),
    "a nested list": ("invalid", b"[" * 100_000),
    "no properties": ("invalid", b"{}"),
    "headers that are a list": ("invalid", _changed(headers=["task"])),
    "a body that is no base64": ("invalid", _changed(body="%%%")),
    "a place that is a list": ("invalid", _changed(properties={"delivery_tag": "1", "delivery_info": []})),
    "a body that is no JSON": ("not decodable", envelope(b"{nothing")),
    "a body that is a number": ("invalid", envelope(42)),
    "a body of two parts": ("invalid", envelope([[], {}])),
    "arguments that are text": ("invalid", envelope(["abc", {}, {}])),
    "keywords that are a list": ("invalid", envelope([[], [], {}])),
    "callbacks that are text": ("invalid", envelope([[0], {}, {"errbacks": ["abc"]}])),
    "a hostile last part": ("invalid", envelope([[0], {}, {"called_directly": True}])),
    "protocol 1": ("invalid", _changed(headers={})),
    "no task": ("invalid", envelope(task=None)),
    "a task that is a list": ("invalid", envelope(task=["a"])),
    "an unknown task": ("unknown task", envelope(task="shop.tasks.default.no_such")),
    "no id": ("invalid", envelope(id=None)),
    "an id that is a list": ("invalid", envelope(id=["1"])),
    "an endless id": ("invalid", envelope(id="1" * 10_000)),
    "retries: many": ("invalid", envelope(retries="many")),
    "retries below zero": ("invalid", envelope(retries=-1)),
    "losses: many": ("invalid", envelope(losses="many")),
    "an eta that is a word": ("invalid", envelope(eta="tomorrow")),
    "an eta that is a number": ("invalid", envelope(eta=5)),
    "an eta in ten years": ("invalid", envelope(eta=FAR)),
    "expires: a word": ("invalid", envelope(expires="soon")),
    "a time limit of words": ("invalid", envelope(timelimit=["a", "b"])),
    "one time limit": ("invalid", envelope(timelimit=[1])),
    "a time limit above the group's": ("invalid", envelope(timelimit=[10**9, None])),
    "a name that is a number": ("invalid", envelope(shadow=5)),
    "stamps that are text": ("invalid", envelope(stamped_headers="ab")),
    "a header named as a method": ("invalid", envelope(as_execution_options="x")),
    "an unknown content type": ("not decodable", envelope(kind="application/x-unknown")),
    "a pickle": ("not decodable", envelope(pickle.dumps(Hostile()), "application/x-python-serialize", "binary")),
    "an encoding that is a number": ("invalid", envelope(encoding=5)),
    "a bomb": ("too large", envelope(zlib.compress(b"0" * 50_000_000), compression="application/x-gzip")),
    "compressed, it says": ("not decodable", envelope(compression="application/x-gzip")),
    "5 MB": ("too large", envelope([["0" * 5_000_000], {}, {}])),
    "wrong arguments": ("failed", envelope([[1, 2, 3], {}, {}])),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[Stage]:
    """One worker for all of it: it has to bear them all."""
    with stage(tmp_path_factory.mktemp("bad"), redis_server, "default") as made:
        made.start()
        yield made


@pytest.mark.parametrize("name", BAD)
def test_a_bad_message_becomes_a_dead_letter(place: Stage, name: str) -> None:
    """And the good one behind it is run, by the same worker."""
    reason, raw = BAD[name]
    before = len(place.letters())
    place.put(raw)
    place.noted(f"done {place.send('work', 0)}")
    place.settled()
    assert [letter["reason"] for letter in place.letters()[: -before or None]] == [reason]
    assert place.workers[0].process.poll() is None


def test_a_hostile_pickle_is_not_even_opened(place: Stage, tmp_path: Path) -> None:
    """What is in it would run with the worker's rights."""
    bait = tmp_path / "bait"
    with patch.object(Hostile, "file", str(bait)):
        place.put(envelope(pickle.dumps(Hostile()), "application/x-python-serialize", "binary"))
    place.noted(f"done {place.send('work', 0)}")
    place.settled()
    assert not bait.exists()


def test_a_bomb_is_not_unpacked(place: Stage) -> None:
    """Kombu unpacks before anybody looks: 50 kB would take 50 MB of the worker, and 5 MB five gigabytes."""
    before = len(place.letters())
    place.put(BAD["a bomb"][1])
    until(lambda: len(place.letters()) > before, "its dead letter")
    assert place.letters()[0]["message"].endswith("when they are unpacked")


def test_a_refusal_shows_no_arguments(place: Stage) -> None:
    """Celery logs the whole body (trap 25)."""
    place.put(envelope([["4242 4242"], {}, {}], task="shop.tasks.default.charges_a_card"))
    place.noted(f"done {place.send('work', 0)}")
    [line] = [each for each in place.workers[0].events("message_refused") if each["task"].endswith("a_card")]
    assert (line["reason"], line["level"]) == ("unknown task", "error")
    assert "4242 4242" not in place.workers[0].log.read_text(encoding="utf-8")


def test_what_is_too_large_is_refused_at_the_sender(redis_server: str) -> None:
    """Whoever sends it learns of it at once, and where the limit is."""
    transports.register()
    with Celery("t", broker=f"{redis_server}/5", set_as_current=False) as app:
        app.send_task("t.x", ["0" * (LARGEST_BODY - 200)])
        with pytest.raises(MessageTooLargeError, match=r"t\.x was sent with 1\.0 MiB of arguments; a message may have"):
            app.send_task("t.x", ["0" * LARGEST_BODY])
        app.control.purge()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=8), parts, max_size=3),
    max_leaves=5,
)
NAMES = sorted({*headers(), *vars(Context), "expires", "group", "losses", "deliveries", "compression", "stamps"})
EXPECTED = {"task": TASK, "id": "1", "retries": 0}


@pytest.fixture(scope="module")
def handler() -> Iterator[Callable[[Message], None]]:
    """A worker's own way with a message, up to its pool."""
    app = Celery("t", broker="memory://", backend="cache+memory://", task_cls=Task, set_as_current=False)

    @app.task(name=TASK, shared=False, time_limit=30)
    def work(number: int) -> None: ...

    app.finalize()
    with Connection("memory://") as connection, patch.object(refusing, "send"):
        consumer = _consumer(app, connection)
        yield consumer.create_task_handler()
    state.reset_state()


def _consumer(app: Any, connection: Connection) -> Any:
    pool = SimpleNamespace(
        apply_async=MagicMock(return_value=None), num_processes=1, is_green=False, uses_semaphore=True
    )
    controller = MagicMock(state=state, use_eventloop=False)
    timer = MagicMock()
    consumer: Any = Consumer(
        lambda request: request.execute_using_pool(pool), app=app, pool=pool, timer=timer, controller=controller
    )
    consumer.event_dispatcher, consumer.qos = None, MagicMock()
    consumer.update_strategies()
    consumer.connection = connection
    return consumer


class Delivered(Message):
    """As a transport's own: kombu's base class has slots, and theirs have not."""


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lies=st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=10), JSON, max_size=4), body=st.just(BODY) | JSON)
@example(lies={"eta": "0001-01-01T00:00:00+14:00"}, body=BODY)
@example(lies={"expires": "9999-12-31T23:59:59-14:00"}, body=BODY)
@example(lies={"timelimit": [float("nan"), None]}, body=BODY)
def test_no_headers_and_no_body_end_the_worker(handler: Any, lies: dict[str, Any], body: Any) -> None:
    """An exception that leaves this handler ends Celery's consumer, and the message comes back to end the next."""
    channel = MagicMock(no_ack_consumers=None)
    made: Any = Delivered
    message = made(
        json.dumps(body).encode(),
        channel=channel,
        delivery_tag="1",
        content_type="application/json",
        content_encoding="utf-8",
        headers={**EXPECTED, **{name: lie for name, lie in lies.items() if name != "compression"}},
        delivery_info={"exchange": "tasks", "routing_key": "default"},
    )
    message.accept = {"application/json"}
    handler(message)


@settings(max_examples=300)
@given(found=st.binary(max_size=50) | JSON | st.dictionaries(st.sampled_from(["headers", "properties", "body"]), JSON))
def test_whatever_is_in_a_queue_of_redis_is_a_message(found: Any) -> None:
    """It was taken off the queue to be looked at: an error here would leave it nowhere."""
    channel = MagicMock(active_queues={"default"}, **{"decode_body.side_effect": _decoded})
    message = RedisMessage(found, channel=channel)
    assert message.delivery_info["routing_key"] == "default"
    assert isinstance(message.delivery_tag, str)


def _decoded(body: Any, encoding: str | None) -> Any:
    return b64decode(body) if encoding else body


@given(st.dictionaries(st.sampled_from(["losses"]), JSON))
def test_a_count_that_lies_counts_nothing(lies: dict[str, Any]) -> None:
    """It is read where nothing may be raised any more."""
    assert count(lies, "losses") >= 0
