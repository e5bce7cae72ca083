"""Real workers on one broker and one database, and what they did."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis

from config.env import BASE_DIR
from tests.conftest import until

#: The project's application with the tasks of these tests.
APP = "tests.delivery.work"
#: What tasks note they did; a task's transaction is part of it.
LEDGER = "CREATE TABLE ledger (name VARCHAR(100) NOT NULL, item INTEGER NOT NULL, run VARCHAR(200) NOT NULL)"


@dataclass
class Worker:
    """A running worker."""

    process: subprocess.Popen[bytes]
    log: Path

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of its log with this event."""
        lines = (json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line[:1] == "{")
        return [line for line in lines if line["event"] == name]

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self.process.poll() is None

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to the main process, as a unit does."""
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 30) -> float:
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


@dataclass
class Ground:
    """A database and a broker for workers to share."""

    folder: Path
    env: dict[str, str]
    broker: redis.Redis
    workers: list[Worker] = field(default_factory=list)

    def worker(self, group: str = "batch", pool: str = "prefork", slots: int = 2, **variables: str) -> Worker:
        """Start a worker, and wait until it is ready."""
        number = len(self.workers)
        log = self.folder / f"worker-{number}.log"
        options = ["-n", f"{group}@w{number}", "-Q", group, "-P", pool, "-c", str(slots), "-l", "INFO"]
        quick = ["-O", "fair", "--without-mingle", "--without-gossip"]
        command = [sys.executable, "-m", "celery", "--quiet", "-A", APP, "worker", *options, *quick]
        with log.open("wb") as output:
            env = {**self.env, **variables}
            process = subprocess.Popen(command, cwd=BASE_DIR, env=env, stdout=subprocess.DEVNULL, stderr=output)
        made = Worker(process, log)
        self.workers.append(made)
        until(lambda: not made.runs or "ready." in log.read_text(encoding="utf-8"), "the worker's start", 60)
        assert made.runs, log.read_text(encoding="utf-8")
        return made

    def run(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run this Python on this ground, to the end."""
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=BASE_DIR, env=self.env, capture_output=True, text=True, check=False, timeout=seconds
        )

    def send(self, task: str, /, times: int = 1, options: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Send a task, so many times; the ids."""
        done = self.run("-m", "tests.delivery.send", task, str(times), json.dumps(kwargs), json.dumps(options or {}))
        assert done.returncode == 0, done.stderr
        ids: list[str] = json.loads(done.stdout)
        return ids

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask the database, beside all workers."""
        url = self.env["DATABASE_URL"]
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20, isolation_level=None)) as file:
                return file.execute(statement.replace("%s", "?"), parameters).fetchall()
        with psycopg.connect(url.replace("postgres://", "postgresql://"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def ledger(self, name: str) -> list[int]:
        """The items that tasks noted under this name, in order, with all repetitions."""
        return [item for (item,) in self.sql("SELECT item FROM ledger WHERE name = %s ORDER BY item", name)]

    def state(self, task_id: str) -> str:
        """What the result backend says of a task; "" where it says nothing."""
        with redis.Redis.from_url(self.env["RESULT_URL"]) as store:
            found: Any = store.get(f"celery-task-meta-{task_id}")
        return str(json.loads(found)["status"]) if found else ""

    def close(self) -> None:
        """End what still runs, and leave no message to the workers of other tests."""
        for worker in self.workers:
            if worker.runs:
                worker.freeze(signal.SIGCONT)
                worker.process.kill()
            worker.process.wait()
        self.broker.flushall()
        self.broker.close()


@contextmanager
def ground(folder: Path, broker: str, database: str) -> Iterator[Ground]:
    """A migrated database with a ledger and an empty broker, until the end of the block."""
    urls = {f"{name}_URL": f"{broker}/{number}" for number, name in enumerate(("BROKER", "RESULT", "CACHE", "LOCK"))}
    own = {"ENVIRONMENT": "test", "DJANGO_SETTINGS_MODULE": "config.settings.test", "LOG_FORMAT": "json"}
    client = redis.Redis.from_url(f"{broker}/0")
    client.flushall()
    made = Ground(folder, {**os.environ, **own, **urls, "DATABASE_URL": database}, client)
    try:
        done = made.run("manage.py", "migrate", "-v", "0")
        assert done.returncode == 0, done.stderr
        made.sql(LEDGER)
        yield made
    finally:
        made.close()
