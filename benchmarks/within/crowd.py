"""Twenty idle consumers of one queue on Redis, and messages that come one at a time.

Usage: crowd.py layered|bare
Prints as JSON: the milliseconds from each sending to its delivery, and the milliseconds of processor time that a
message takes in all consumers together, and in the server.
"""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import json
import multiprocessing
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from kombu import Exchange, Queue
from kombu.asynchronous import Hub, set_event_loop

CONSUMERS, MESSAGES = 20, 100
#: Seconds between two messages: all consumers wait again. And how long nobody sends, to know what waiting costs.
PAUSE, QUIET = 0.05, 3.0
QUEUE = Queue("default", Exchange("tasks", type="topic"), routing_key="default")

Processes = Sequence[multiprocessing.Process]


def consume(app: Any, address: str) -> None:
    """Tell when each message comes, and acknowledge it, in the event loop of a worker."""
    hub = Hub()
    set_event_loop(hub)
    connection = app.connection_for_read()
    connection.connect()
    connection.register_with_event_loop(hub)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=2)
    out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def tell(message: Any) -> None:
        out.sendto(struct.pack("d", time.monotonic()), address)
        message.ack()

    with connection.Consumer(QUEUE, channel=channel, on_message=tell):
        hub.run_forever()


def measure(app: Any, sock: socket.socket, consumers: Processes) -> dict[str, Any]:
    """Messages one at a time, after a while without any."""
    connection = app.connection_for_write()
    client, producer = connection.default_channel.client, connection.Producer()
    _wait_until_idle(client)
    before = _processor_seconds(consumers, client)
    time.sleep(QUIET)
    waiting = _rates(before, _processor_seconds(consumers, client), QUIET)
    before, began = _processor_seconds(consumers, client), time.monotonic()
    waits = [_once(producer, sock) for _ in range(MESSAGES)]
    seconds = time.monotonic() - began
    busy = _rates(before, _processor_seconds(consumers, client), seconds)
    used = [(more - less) * seconds / MESSAGES * 1000 for more, less in zip(busy, waiting, strict=True)]
    return {"waits": waits, "consumers": used[0], "server": used[1]}


def _wait_until_idle(client: Any) -> None:
    deadline = time.monotonic() + 60
    while sum(each["cmd"] in ("blmove", "brpop") for each in client.client_list()) < CONSUMERS:
        if time.monotonic() > deadline:
            raise TimeoutError("not all consumers wait")
        time.sleep(0.1)


def _once(producer: Any, sock: socket.socket) -> float:
    time.sleep(PAUSE)
    sent = time.monotonic()
    producer.publish("hello", exchange=QUEUE.exchange, routing_key=QUEUE.routing_key, declare=[QUEUE])
    (came,) = struct.unpack("d", sock.recv(8))
    return (came - sent) * 1000


def _processor_seconds(consumers: Processes, client: Any) -> tuple[float, float]:
    """What the consumers and the server have used so far; the first in nanoseconds, where the kernel's clock ticks."""
    nanoseconds = [int(Path(f"/proc/{each.pid}/schedstat").read_text().split()[0]) for each in consumers]
    told = client.info("cpu")
    return sum(nanoseconds) / 1e9, told["used_cpu_user"] + told["used_cpu_sys"]


def _rates(before: Sequence[float], after: Sequence[float], seconds: float) -> list[float]:
    return [(more - less) / seconds for less, more in zip(before, after, strict=True)]


def main(side: str) -> None:
    """Start them, measure, end them."""
    app = import_module(f"benchmarks.within.{side}").app
    with app.connection_for_write() as connection:
        connection.default_channel.client.flushdb()
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        address = str(Path(folder, "answers"))
        sock.bind(address)
        sock.settimeout(10)
        forked = multiprocessing.get_context("fork")
        consumers = [forked.Process(target=consume, args=(app, address), daemon=True) for _ in range(CONSUMERS)]
        for consumer in consumers:
            consumer.start()
        try:
            print(json.dumps(measure(app, sock, consumers)))
        finally:
            for consumer in consumers:
                consumer.kill()


if __name__ == "__main__":
    main(sys.argv[1])
