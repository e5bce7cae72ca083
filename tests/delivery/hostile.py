"""Messages that nobody should send, past every client of ours: raw AMQP, or a raw entry in a list of Redis.

Usage: python -m tests.delivery.hostile rabbitmq|redis GROUP, with the environment of a worker.
"""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import base64
import json
import os
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

JSON: Final = "application/json"
PICKLE: Final = "application/x-python-serialize"
#: What Celery puts behind a task's arguments.
EMBEDDED: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
#: MB of the largest.
LARGE: Final = 5


class _Evil:
    """Unpickled, it leaves a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        """What a pickle runs."""
        return (os.system, ("touch /tmp/unpickled",))


@dataclass(frozen=True)
class Hostile:
    """One message: what is wrong with it, and the reason of the dead letter that it becomes."""

    about: str
    reason: str
    body: bytes = b""
    content_type: str = JSON
    task: str | None = "note"
    headers: Mapping[str, Any] = field(default_factory=dict)


def _called(*args: Any, **kwargs: Any) -> bytes:  # noqa: ANN401 - whatever a body may hold
    return json.dumps([args, kwargs, EMBEDDED]).encode()


_GOOD: Final = _called(identifier="hostile", seconds=0)
MESSAGES: Final = (
    Hostile("no JSON", "not decodable", b'{"half": '),
    Hostile("no text", "not decodable", b"\xff\xfe\x00\x80"),
    Hostile("a pickle", "not decodable", pickle.dumps(_Evil()), PICKLE),
    Hostile("an unknown type of content", "not decodable", _GOOD, "application/x-nobody-knows"),
    Hostile("no task", "invalid", _GOOD, task=None),
    Hostile("a body that is no call", "invalid", b"42"),
    Hostile("an unknown task", "unknown task", _GOOD, task="of_nobody"),
    Hostile("wrong arguments", "failed", _called(1, 2, 3, 4)),
    Hostile("5 MB", "too large", _called(identifier="x" * LARGE * 1_000_000, seconds=0)),
    Hostile("retries that are a text", "invalid", _GOOD, headers={"retries": "many"}),
    Hostile("limits that are none", "invalid", _GOOD, headers={"timelimit": ["soon", "later"]}),
    Hostile("a limit above the group's", "invalid", _GOOD, headers={"timelimit": [10**6, 10**6]}),
    Hostile("an ETA that is no time", "invalid", _GOOD, headers={"eta": "tomorrow"}),
    Hostile("an ETA in the year 9999", "invalid", _GOOD, headers={"eta": "9999-12-31T23:59:59+00:00"}),
    Hostile("a group that is a list", "invalid", _GOOD, headers={"group": [1, 2]}),
    Hostile("a chain that is a number", "invalid", json.dumps([[], {}, {**EMBEDDED, "chain": 7}]).encode()),
)


def headers(message: Hostile, group: str) -> dict[str, Any]:
    """All headers of a message, as Celery would write them, but for what lies."""
    named = {} if message.task is None else {"task": f"probe.tasks.{group}.{message.task}"}
    usual = {"id": str(uuid4()), "lang": "py", "root_id": None, "parent_id": None, "group": None, "retries": 0}
    return {**usual, **named, "timelimit": [None, None], "eta": None, "expires": None, **message.headers}


def to_rabbitmq(group: str) -> None:
    """Publish them to the group's queue, each confirmed."""
    import amqp  # noqa: PLC0415 - the project's own

    url = urlsplit(os.environ["BROKER_URL"].partition(";")[0])
    tls = {"ca_certs": os.environ["TLS_CA_FILE"], "server_hostname": url.hostname}
    login = {"userid": url.username, "password": unquote(url.password), "virtual_host": url.path[1:]}
    with amqp.Connection(f"{url.hostname}:{url.port}", ssl=tls, confirm_publish=True, **login) as connection:
        channel = connection.channel()
        for message in MESSAGES:
            told = {"content_type": message.content_type, "content_encoding": "utf-8", "delivery_mode": 2}
            wrapped = amqp.Message(message.body, application_headers=headers(message, group), **told)
            channel.basic_publish_confirm(wrapped, exchange="tasks", routing_key=group)


def to_redis(group: str) -> None:
    """Push them into the group's list, wrapped as kombu does."""
    from redis.sentinel import Sentinel  # noqa: PLC0415 - the project's own

    urls = [urlsplit(url) for url in os.environ["SENTINEL_URL"].split(";")]
    tls = {"ssl": True, "ssl_ca_certs": os.environ["TLS_CA_FILE"]}
    login = {"username": urls[0].username, "password": unquote(urls[0].password), **tls}
    sentinel = Sentinel([(url.hostname, url.port) for url in urls], sentinel_kwargs=login, **login)
    primary = sentinel.master_for("broker")
    for message in MESSAGES:
        delivery = {"exchange": "tasks", "routing_key": group}
        tag = {"delivery_tag": str(uuid4()), "delivery_mode": 2, "delivery_info": delivery, "body_encoding": "base64"}
        wrapped = {
            "body": base64.b64encode(message.body).decode(),
            "content-type": message.content_type,
            "content-encoding": "utf-8",
            "headers": headers(message, group),
            "properties": tag,
        }
        primary.lpush(f"observed:{group}", json.dumps(wrapped))


if __name__ == "__main__":
    {"rabbitmq": to_rabbitmq, "redis": to_redis}[sys.argv[1]](sys.argv[2])
