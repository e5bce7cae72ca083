"""A real worker, supervised as a unit is: it talks on a socket, and is to talk every PERIOD seconds."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.conftest import start, until
from tests.delivery.stage import Stage
from tests.delivery.worker import Worker
from tests.supervision.listener import Listener
from workers.derive.command_line import worker_command
from workers.topology import topology

#: Seconds of WatchdogSec; units have 60.
PERIOD = 8.0
POOLS = ("prefork", "threads", "gevent")


@dataclass
class Supervised:
    """A worker of the group batch, and what it says."""

    worker: Worker
    systemd: Listener
    stage: Stage

    def until_ready(self) -> None:
        """Wait until it says so, and for its first sign of life: by then it hears remote control as well."""
        until(lambda: not self.worker.runs or self.systemd.times("READY=1"), "READY=1")
        assert self.worker.runs, self.worker.log.read_text(encoding="utf-8")
        self.until_heard()

    def until_status(self, part: str, seconds: float = 90) -> None:
        """Wait until its status says this."""
        until(lambda: part in self.systemd.status, f"{part!r} in the status", seconds)

    def until_silent(self) -> None:
        """Wait until systemd would kill it, which must not take much longer than it may."""
        until(lambda: self.systemd.silence() > PERIOD, "silence", 4 * PERIOD)

    def until_heard(self) -> None:
        """Wait for its next sign of life."""
        before = len(self.systemd.times("WATCHDOG=1"))
        until(lambda: len(self.systemd.times("WATCHDOG=1")) > before, "a sign of life", 4 * PERIOD)

    def live(self, seconds: float = 1.5 * PERIOD) -> None:
        """See that systemd would let it live so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            silence = self.systemd.silence()
            assert self.worker.runs, self.worker.log.read_text(encoding="utf-8")
            assert silence < PERIOD, (silence, self.systemd.heard[-10:], self.worker.log.read_text(encoding="utf-8"))
            time.sleep(0.1)

    def suffer(self, command: str, **arguments: Any) -> None:
        """Have one of ailments.py befall it; returns once that is so."""
        assert self.stage.app.control.broadcast(command, arguments=arguments, reply=True, timeout=10, limit=1)

    def block(self, seconds: float) -> None:
        """Have its main loop hang."""
        self.stage.app.control.broadcast("block", arguments={"seconds": seconds})

    def send(self, seconds: float = 0, **options: Any) -> str:
        """Send it a task."""
        return self.stage.send("work", seconds, **options)


@contextmanager
def supervised(stage: Stage, pool: str = "prefork", variables: Mapping[str, str] | None = None) -> Iterator[Supervised]:
    """A worker, not ready yet, until the end of the block."""
    limits: dict[str, Any] = {"soft_time_limit": None, "max_memory_per_child": None, "max_tasks_per_child": None}
    group = (
        topology()
        .groups["batch"]
        .model_copy(update={**limits, "pool": pool, "concurrency": 2, "prefetch_multiplier": 2})
    )
    command = [sys.executable, "-m", "celery", *worker_command("batch", group), "-I", "tests.supervision.ailments"]
    with Listener(str(stage.folder / "notify")) as systemd, (stage.folder / "worker.log").open("wb") as log:
        own = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": str(int(PERIOD * 1e6))}
        process = start(command, {**stage.env, **own, **(variables or {})}, stdout=log, stderr=log)
        worker = Worker(process, stage.folder / "worker.log")
        stage.workers.append(worker)
        yield Supervised(worker, systemd, stage)
