"""Publishes the same message in several ways, each confirmed by the broker; prints the seconds of each round as JSON.

Usage: confirming.py ROUNDS MESSAGES
"""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import json
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import amqp
import django
from celery import Celery
from kombu.transport import pyamqp
from workers.brokers.rabbitmq.confirms import Confirms
from workers.derive.queues import rabbitmq_queues
from workers.topology import topology

from benchmarks.within.layered import app

QUEUE = "default"
#: As many as the outbox's relay sends before it waits.
TOGETHER = 100
#: Settings of publishing.
SHARED = ("broker_url", "broker_transport_options", "task_queues", "task_routes", "task_publish_retry_policy")
PLACE = {"exchange": "tasks", "routing_key": QUEUE}

Way = Callable[[int], None]


def raw_channel() -> Any:
    """The raw client's, with a connection of its own; the queue is there, as the project declares it."""
    url = urlsplit(app.conf.broker_url)
    connection = amqp.Connection(f"{url.hostname}:{url.port}", "guest", "guest", confirm_publish=True)
    connection.connect()
    channel = connection.channel()
    queue = next(queue for queue in rabbitmq_queues(topology()) if queue.name == QUEUE)
    channel.exchange_declare(PLACE["exchange"], "topic", durable=True, auto_delete=False)
    channel.queue_declare(QUEUE, durable=True, auto_delete=False, arguments=queue.queue_arguments)
    channel.queue_bind(QUEUE, **PLACE)
    return channel


def ways(raw: Any, task: Any) -> dict[str, Way]:
    """What is compared, by name: each publishes so many messages, the first two the one that `task` sends."""
    task.apply_async()
    message = raw.basic_get(QUEUE, no_ack=True)
    ours = app.connection_for_write().channel()
    return {
        "raw": _one_by_one(lambda: raw.basic_publish_confirm(message, **PLACE)),
        "transport": _one_by_one(lambda: ours.basic_publish_confirm(message, **PLACE)),
        "task": _one_by_one(task.apply_async),
        "celery": _one_by_one(_celerys_own(task).apply_async),
        "together": _together(message),
    }


def _celerys_own(task: Any) -> Any:
    """The same task with Celery's base class, over kombu's transport, of an application with the same settings."""
    bare = Celery("bare", set_as_current=False, task_cls="celery:Task", changes={"broker_transport": pyamqp.Transport})
    bare.conf.update({name: app.conf[name] for name in SHARED})
    return bare.task(name=task.name, ignore_result=True)(task.run)


def _one_by_one(publish: Callable[[], Any]) -> Way:
    def send(count: int) -> None:
        for _ in range(count):
            publish()

    return send


def _together(message: Any) -> Way:
    channel = app.connection_for_write().channel()
    confirms = Confirms(channel)

    def send(count: int) -> None:
        for number in range(1, count + 1):
            channel.basic_publish(message, **PLACE)
            if (number % TOGETHER == 0 or number == count) and not confirms.wait(10):
                raise TimeoutError("RabbitMQ did not confirm in time")

    return send


def main(rounds: int, messages: int) -> None:
    """All ways in turn; the first round does not count."""
    django.setup()
    app.loader.import_default_modules()
    raw = raw_channel()
    compared = ways(raw, app.tasks["probe.tasks.default.noop"])
    found = {name: [] for name in compared}
    for number in range(rounds + 1):
        for name in compared if number % 2 else reversed(compared):
            began = time.monotonic()
            compared[name](messages)
            found[name].append(time.monotonic() - began)
            raw.queue_purge(QUEUE)
    print(json.dumps({name: seconds[1:] for name, seconds in found.items()}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
