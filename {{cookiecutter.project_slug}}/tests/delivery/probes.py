"""Tasks that end in every way a task can end, and note each of their runs in a file that the test reads.

A worker of the test includes this module; their names begin as those of its group's own tasks do.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import shared_task
from celery.exceptions import Reject, SoftTimeLimitExceeded

from tests.delivery.stage import LEDGER
from workers.delivery.base import Task

GROUPS = ("default", "priority")


def note(line: str) -> None:
    """Add a line to the ledger: short enough to be written in one piece."""
    with Path(os.environ[LEDGER]).open("a") as ledger:
        ledger.write(f"{line}\n")


def die(self: Any, how: str, times: int) -> None:
    """End the process, unless it has ended often enough."""
    losses = self.request.get("losses", 0)
    note(f"run {self.request.id} losses={losses}")
    if losses >= times:
        note(f"done {self.request.id}")
        return
    _ends[how]()
    time.sleep(30)


def work(self: Any, seconds: float) -> None:
    """Take a while."""
    note(f"run {self.request.id} deliveries={self.request.get('deliveries', 0)}")
    time.sleep(seconds)
    note(f"done {self.request.id}")


def fail(self: Any, how: str = "ValueError") -> None:
    """Raise."""
    note(f"run {self.request.id} retries={self.request.retries}")
    if how == "Reject":
        raise Reject(ValueError("no"), requeue=False)
    raise {"ValueError": ValueError, "ConnectionError": ConnectionError}[how]("no")


def stick(self: Any) -> None:
    """Heed no soft limit, so that the hard one strikes."""
    note(f"run {self.request.id}")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(Exception):
            time.sleep(1)


def tidy(self: Any, seconds: float) -> None:
    """Clean up for that long once the soft limit has struck, and note each time that it strikes."""
    note(f"run {self.request.id}")
    deadline = None
    while deadline is None or time.monotonic() < deadline:
        try:
            time.sleep(0.1)
        except SoftTimeLimitExceeded:
            note(f"asked {self.request.id}")
            deadline = time.monotonic() + seconds
    note(f"done {self.request.id}")


def _no_memory() -> None:
    raise MemoryError


_ends: dict[str, Callable[[], Any]] = {
    "KILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SEGV": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(1),
    "sys.exit": lambda: sys.exit(3),
    "memory": _no_memory,
}

for _group in GROUPS:
    _runs: list[tuple[Callable[..., None], dict[str, Any]]] = [
        (die, {"loss_pause": 1, "max_losses": 2}),
        (work, {}),
        (fail, {"max_retries": 1, "retry_backoff": 1}),
        (stick, {"soft_time_limit": 1, "time_limit": 2}),
        (tidy, {"soft_time_limit": 2, "time_limit": 20}),
    ]
    for _run, _options in _runs:
        _options |= {"base": Task, "bind": True, "name": f"shop.tasks.{_group}.{_run.__name__}"}
        shared_task(**_options)(_run)
