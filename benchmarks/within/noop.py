"""The tasks that are timed: they do nothing, and say when."""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import os
import socket
import struct
import time
from functools import cache
from pathlib import Path

from celery import shared_task


@shared_task(name="probe.tasks.default.noop")
def noop() -> None:
    """Note the time."""
    os.write(_stamps(os.getpid()), struct.pack("d", time.monotonic()))


@shared_task(name="probe.tasks.default.noop_result", ignore_result=False)
def noop_result() -> int:
    """Note the time; has a result."""
    os.write(_stamps(os.getpid()), struct.pack("d", time.monotonic()))
    return 1


@shared_task(name="probe.tasks.priority.answer")
def answer(address: str) -> None:
    """Tell the sender, at the path of its socket, when this began."""
    began = time.monotonic()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(struct.pack("d", began), address)


@cache
def _stamps(process: int) -> int:
    """The file of one process; all of them lie in the folder STAMPS."""
    return os.open(Path(os.environ["STAMPS"], str(process)), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
