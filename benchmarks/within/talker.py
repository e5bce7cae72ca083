"""Sends tasks for one of the two sides: each line of its input is a command as JSON, each of its output an answer.

Usage: talker.py layered|bare
["fill", TASK, COUNT] empties the queues and sends so many; ["talk", COUNT] sends so many one by one to an idle worker
and answers with two lists: the milliseconds of each sending, and those from before it to the task's start.
"""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import json
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import django

#: Seconds between two tasks to an idle worker: it has acknowledged the one before, and waits again.
PAUSE = 0.02


def fill(app: Any, name: str, count: int) -> None:
    """Send `count` tasks, and nothing else waits."""
    with app.connection_for_write() as connection:
        connection.default_channel.client.flushdb()
    for _ in range(count):
        app.tasks[name].apply_async()


def talk(app: Any, count: int) -> list[tuple[float, ...]]:
    """One task at a time."""
    send = app.tasks["probe.tasks.priority.answer"].apply_async
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        address = str(Path(folder, "answers"))
        sock.bind(address)
        sock.settimeout(10)
        return list(zip(*(_once(send, sock, address) for _ in range(count)), strict=True))


def _once(send: Callable[..., Any], sock: socket.socket, address: str) -> tuple[float, float]:
    time.sleep(PAUSE)
    began = time.monotonic()
    send((address,))
    sent = time.monotonic()
    (started,) = struct.unpack("d", sock.recv(8))
    return (sent - began) * 1000, (started - began) * 1000


def main(side: str) -> None:
    """Answer until the input ends."""
    app = import_module(f"benchmarks.within.{side}").app
    django.setup()
    app.loader.import_default_modules()
    commands = {"fill": fill, "talk": talk}
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(commands[name](app, *arguments)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
