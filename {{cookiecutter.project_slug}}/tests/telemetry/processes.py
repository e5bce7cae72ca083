"""Real workers and publishers for the tests of telemetry/."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.env import BASE_DIR
from tests.conftest import start, until

POOLS = ("prefork", "spawn", "threads", "gevent")


def read_lines(log: Path) -> list[dict[str, Any]]:
    """The log's lines; one that is not JSON fails the test."""
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True)
class Worker:
    """A running worker of the group default, with one slot."""

    process: subprocess.Popen[bytes]
    log: Path

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of one event."""
        return [line for line in read_lines(self.log) if line["event"] == name]

    def stop(self) -> float:
        """End it warmly; the seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=240)
        return time.monotonic() - began


@contextmanager
def running_worker(pool: str, folder: Path, env: dict[str, str]) -> Iterator[Worker]:
    """Start a worker until the block ends; "spawn" is prefork with that start method."""
    log = folder / "worker.log"
    app = "tests.telemetry.spawning" if pool == "spawn" else "config"
    options = [
        "-l",
        "INFO",
        "-P",
        "prefork" if pool == "spawn" else pool,
        "-c",
        "1",
        "-Q",
        "default",
        "-n",
        "default@telemetry",
    ]
    command = [sys.executable, "-m", "celery", "--quiet", "-A", app, "worker", *options]
    with log.open("wb") as output:
        process = start(command, env, stdout=subprocess.DEVNULL, stderr=output)
    try:
        until(lambda: process.poll() is not None or "ready." in log.read_text(encoding="utf-8"), "the worker's start")
        assert process.poll() is None, log.read_text(encoding="utf-8")
        yield Worker(process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def publish(env: dict[str, str], *outcomes: str) -> list[dict[str, Any]]:
    """Send tasks from a process of its own; the lines it logged."""
    command = [sys.executable, "-m", "tests.telemetry.publish", *outcomes]
    done = subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]
