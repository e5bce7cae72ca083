"""Messages to give up, and ways to give them up."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from billiard.einfo import ExceptionInfo
from kombu import Message, pools

from config.celery import app
from workers.delivery import outlet
from workers.delivery.dead.letter import Letter, send
from workers.derive import broker as deriving
from workers.topology import topology

if TYPE_CHECKING:
    from redis import Redis

#: A task that every project has, and the group that claims it.
TASK, GROUP = "celery.backend_cleanup", "default"
BODY = json.dumps([["a@b.org", 7], {"size": 3, "secret": "xyzzy"}, {"callbacks": None, "chord": None}]).encode()


def connect_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the project's application speak to the broker at `url`, for the time of a test."""
    changes: Any = app.conf.changes
    monkeypatch.setitem(changes, "broker_url", url)
    monkeypatch.setitem(changes, "broker_transport_options", deriving.transport_options(topology(), url))
    # Nothing of the broker before may be left: what a test opens goes with it, and what was opened before is closed below.
    ours: Any = app
    ours._pool = ours.amqp._producer_pool = None
    monkeypatch.setattr(app, "_pool", None)
    monkeypatch.setattr(app.amqp, "_producer_pool", None)
    monkeypatch.setattr(outlet, "_outlet", outlet._Outlet())
    pools.reset()  # kombu's, by URL: a connection remembers what it declared on a server that was emptied since


def message(body: Any = BODY, **changes: Any) -> Message:
    """A message as a worker gets it; `changes` to its headers."""
    headers: Any = {"task": TASK, "id": "t4711", "retries": 2, "losses": 1, "first_sent": "2026-11-21T10:00:00+00:00"}
    return Message(
        body,
        content_type="application/json",
        content_encoding="utf-8",
        headers={**headers, **changes},
        properties={"correlation_id": "t4711", "reply_to": "answers", "priority": 0, "delivery_mode": 2},
        delivery_info={"exchange": "tasks", "routing_key": GROUP},
    )


def error(text: str = "no such order") -> ExceptionInfo:
    """What the pool says of a task that failed."""
    try:
        raise LookupError(text)  # noqa: TRY301
    except LookupError:
        return ExceptionInfo()


class Request:
    """What a worker knows of a task."""

    hostname = "default@host1"

    def __init__(self, message: Message) -> None:
        self.message = message


def letter(task_id: str = "t4711", text: str = "no such order", body: bytes = BODY, **headers: Any) -> Letter:
    """A task that failed."""
    return Letter.of_request(Request(message(body, id=task_id, **headers)), error(text), "failed")


def give_up(*task_ids: str, **options: Any) -> None:
    """Send a letter for each of these tasks."""
    for task_id in task_ids:
        send(letter(task_id, **options), app)


def waiting(client: "Redis", queue: str) -> list[dict[str, Any]]:
    """The messages of a queue on Redis, the oldest first."""
    key = f"{app.conf.broker_transport_options['global_keyprefix']}{queue}"
    return [json.loads(each) for each in reversed(client.lrange(key, 0, -1))]


def taken(queue: str) -> list[Any]:
    """Take all messages out of a queue, as a worker would."""
    found: list[Any] = []
    with app.connection_for_read() as connection, connection.channel() as opened:
        channel: Any = opened
        while raw := channel.basic_get(queue, no_ack=True):
            found.append(channel.message_to_python(raw))
    return found
