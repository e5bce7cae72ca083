"""A real worker, and what tests do to it."""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import until


@dataclass
class Worker:
    """A running worker."""

    process: subprocess.Popen[bytes]
    log: Path

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of its log with this event."""
        lines = (json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line[:1] == "{")
        return [line for line in lines if line["event"] == name]

    def until_ready(self) -> None:
        """Wait until it takes tasks."""
        until(lambda: not self.runs or "ready." in self.log.read_text(encoding="utf-8"), "the worker's start")
        assert self.runs, self.log.read_text(encoding="utf-8")

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self.process.poll() is None

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to the main process, as a unit does."""
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 90) -> float:
        """End it; the seconds that took."""
        began = time.monotonic()
        self.tell(number)
        self.process.wait(timeout=seconds)
        return time.monotonic() - began

    def freeze(self, number: signal.Signals = signal.SIGSTOP) -> None:
        """Stop all its processes where they are, as a host does that hangs; with SIGCONT they go on."""
        for pid in (self.process.pid, *self.children()):
            os.kill(pid, number)

    def children(self) -> list[int]:
        """Its pool's processes."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return [int(pid) for pid in listed.split()]

    def left(self, seconds: float = 90) -> int:
        """Its exit code, once it has left."""
        return self.process.wait(timeout=seconds)

    def kill(self) -> None:
        """Take its host away."""
        children = self.children() if self.runs else []
        self.process.kill()
        self.process.wait()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
