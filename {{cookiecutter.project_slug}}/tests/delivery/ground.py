"""Real workers on one broker and one database, and what they did."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from config.env import BASE_DIR
from tests.conftest import environment_on, start
from tests.databases import sql
from tests.delivery.worker import Worker

#: The project's application with the tasks of these tests.
APP = "tests.delivery.work"
#: What tasks note they did; a task's transaction is part of it.
LEDGER = "CREATE TABLE ledger (name VARCHAR(100) NOT NULL, item INTEGER NOT NULL, run VARCHAR(200) NOT NULL)"


@dataclass
class Ground:
    """A database and a broker for workers to share."""

    folder: Path
    env: dict[str, str]
    broker: redis.Redis
    workers: list[Worker] = field(default_factory=list)

    def worker(self, group: str = "batch", pool: str = "prefork", slots: int = 2, **variables: str) -> Worker:
        """Start a worker, and wait until it is ready."""
        [made] = self.several(1, group, pool, slots, **variables)
        return made

    def several(
        self, number: int, group: str = "batch", pool: str = "prefork", slots: int = 2, **variables: str
    ) -> list[Worker]:
        """Start so many workers side by side, and wait until they are ready."""
        made = [self._started(group, pool, slots, variables) for _ in range(number)]
        for worker in made:
            worker.until_ready()
        return made

    def _started(self, group: str, pool: str, slots: int, variables: dict[str, str]) -> Worker:
        number = len(self.workers)
        log = self.folder / f"worker-{number}.log"
        kind = ["prefork", "--pool-start-method", pool] if pool == "spawn" else [pool]
        options = ["-n", f"{group}@w{number}", "-Q", group, "-P", *kind, "-c", str(slots), "-l", "INFO"]
        quick = ["-O", "fair", "--without-mingle", "--without-gossip"]
        command = [sys.executable, "-m", "celery", "--quiet", "-A", APP, "worker", *options, *quick]
        with log.open("wb") as output:
            env = {**self.env, **variables}
            process = start(command, env, stdout=subprocess.DEVNULL, stderr=output)
        self.workers.append(Worker(process, log))
        return self.workers[-1]

    @contextmanager
    def relays(self, number: int = 1) -> Iterator[list[subprocess.Popen[bytes]]]:
        """So many `workers relay`, until the end of the block."""
        command = [sys.executable, "-m", "workers", "relay"]
        with (self.folder / "relay.log").open("ab") as log:
            started = [start(command, self.env, stdout=log, stderr=log) for _ in range(number)]
            try:
                yield started
            finally:
                for process in started:
                    process.kill()
                    process.wait()

    def run(self, *arguments: str, seconds: float = 240) -> subprocess.CompletedProcess[str]:
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
        return sql(self.env["DATABASE_URL"], statement, *parameters)

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
            worker.kill()
        self.broker.flushall()
        self.broker.close()


@contextmanager
def ground(folder: Path, broker: str, database: str) -> Iterator[Ground]:
    """A migrated database, which gets a ledger, and an empty broker, until the end of the block."""
    client = redis.Redis.from_url(f"{broker}/0")
    client.flushall()
    made = Ground(folder, environment_on(broker, DATABASE_URL=database), client)
    try:
        made.sql(LEDGER)
        yield made
    finally:
        made.close()
