"""Real workers of one group on an empty broker, and what became of the messages that a test sent."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis
from celery import Celery

from config.env import BASE_DIR
from tests.conftest import until
from workers.brokers import redis as transports
from workers.derive.broker import transport_options
from workers.derive.command_line import worker_command
from workers.derive.queues import queues
from workers.topology import topology

#: The variable that names the file in which the tasks of probes.py note their runs.
LEDGER = "PROBE_LEDGER"


@dataclass
class Worker:
    """A running worker."""

    process: subprocess.Popen[bytes]
    log: Path

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of its log with this event."""
        lines = (json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line[:1] == "{")
        return [line for line in lines if line["event"] == name]

    def children(self) -> list[int]:
        """Processes of its pool."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="utf-8")
        return [int(pid) for pid in found.split()]

    def signal(self, number: signal.Signals) -> None:
        """Send its main process a signal."""
        self.process.send_signal(number)

    def left(self, seconds: float = 40) -> int:
        """Its exit code, once it has left."""
        return self.process.wait(timeout=seconds)

    def kill(self) -> None:
        """Take its host away."""
        children = self.children() if self.process.poll() is None else []
        self.process.kill()
        self.process.wait()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


@dataclass
class Stage:
    """A broker, and workers of one group."""

    folder: Path
    group: str
    env: Mapping[str, str]
    broker: redis.Redis
    app: Celery
    workers: list[Worker] = field(default_factory=list)

    @property
    def ledger(self) -> list[str]:
        """What the tasks noted, in order."""
        file = Path(self.env[LEDGER])
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def start(self, pool: str = "prefork", concurrency: int = 1) -> Worker:
        """Start a worker, and wait until it takes tasks."""
        limits: dict[str, Any] = {} if pool == "prefork" else {"soft_time_limit": None, "max_tasks_per_child": None}
        limits |= {"max_memory_per_child": None, "pool": pool, "concurrency": concurrency}
        command = worker_command(self.group, topology().groups[self.group].model_copy(update=limits))
        log = self.folder / f"worker-{len(self.workers)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", *command, "-I", "tests.delivery.probes"],
                cwd=BASE_DIR,
                env=self.env,
                stdout=output,
                stderr=output,
            )
        worker = Worker(process, log)
        self.workers.append(worker)
        until(lambda: "ready." in log.read_text(encoding="utf-8"), f"the worker's start ({log})", 60)
        return worker

    def send(self, task: str, *args: Any, **options: Any) -> str:
        """Send a task of the group; the id."""
        task_id = str(uuid4())
        self.app.send_task(f"shop.tasks.{self.group}.{task}", args, task_id=task_id, queue=self.group, **options)
        return task_id

    def put(self, envelope: bytes | str) -> None:
        """Put something into the group's queue that need not be a message."""
        self.broker.lpush(self.key(self.group), envelope)

    def key(self, name: str) -> str:
        """A key as it is called in Redis."""
        return f"{topology().project}:{name}"

    def noted(self, line: str, seconds: float = 40) -> None:
        """Wait until a task has noted this line."""
        until(lambda: line in self.ledger, f"{line!r} in the ledger", seconds)

    def runs(self, task_id: str) -> int:
        """How often a task was begun."""
        return sum(line.startswith(f"run {task_id}") for line in self.ledger)

    def waiting(self) -> list[dict[str, Any]]:
        """The messages in the group's queue."""
        return [json.loads(each) for each in self.broker.lrange(self.key(self.group), 0, -1)]

    def unacknowledged(self) -> int:
        """Messages that a worker holds, or held when it died."""
        return self.broker.hlen(self.key("unacked"))

    def forget_for_hours(self) -> None:
        """Let the visibility timeout of what is held pass."""
        held: Any = self.broker.zrange(self.key("unacked_index"), 0, -1)
        for tag in held:
            self.broker.zadd(self.key("unacked_index"), {tag: 1})

    def letters(self) -> list[dict[str, Any]]:
        """The group's dead letters: what was noted of each, and the message itself."""
        raw = [json.loads(each) for each in self.broker.lrange(self.key(f"{self.group}.dead"), 0, -1)]
        return [{**json.loads(each["headers"]["dead_letter"]), **each} for each in raw]

    def letter(self, task_id: str, seconds: float = 40) -> dict[str, Any]:
        """The one dead letter of a task, once it is there."""
        until(lambda: self._letters_of(task_id), f"a dead letter of {task_id}", seconds)
        [found] = self._letters_of(task_id)
        return found

    @contextmanager
    def full(self) -> Iterator[None]:
        """Redis refuses new messages in the block, and answers everything else."""
        self.broker.acl_setuser("default", enabled=True, commands=["-lpush"])
        try:
            yield
        finally:
            self.broker.acl_setuser("default", enabled=True, commands=["+lpush"])

    def refused(self) -> int:
        """Messages that Redis refused so far."""
        told: dict[str, Any] = self.broker.info("commandstats")
        refused: int = told["cmdstat_lpush"]["rejected_calls"]
        return refused

    def settled(self, seconds: float = 20) -> None:
        """Wait until nothing waits and nothing is held."""
        until(lambda: not self.waiting() and not self.unacknowledged(), "the queue's emptiness", seconds)

    def close(self) -> None:
        """End the workers, and leave no message to those of other tests."""
        for worker in self.workers:
            worker.kill()
        self.broker.flushdb()
        self.broker.close()
        self.app.close()

    def _letters_of(self, task_id: str) -> list[dict[str, Any]]:
        return [letter for letter in self.letters() if letter["headers"].get("id") == task_id]


@contextmanager
def stage(folder: Path, server: str, group: str, database: int = 0) -> Iterator[Stage]:
    """An empty broker on `server` for workers of `group`, from that database of it on, until the end of the block."""
    transports.register()
    names = ("BROKER", "RESULT", "CACHE", "LOCK")
    urls = {f"{name}_URL": f"{server}/{number}" for number, name in enumerate(names, database)}
    own = {"ENVIRONMENT": "test", "DJANGO_SETTINGS_MODULE": "config.settings.test", "LOG_FORMAT": "json"}
    env = {**os.environ, **own, **urls, "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3", LEDGER: f"{folder}/ledger"}
    broker = redis.Redis.from_url(urls["BROKER_URL"])
    broker.flushdb()
    app = Celery("sender", broker=urls["BROKER_URL"], set_as_current=False)
    app.conf.update(
        task_queues=queues(topology(), urls["BROKER_URL"]),
        broker_transport_options=transport_options(topology(), urls["BROKER_URL"]),
    )
    made = Stage(folder, group, env, broker, app)
    try:
        yield made
    finally:
        made.close()
