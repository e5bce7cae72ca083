"""Real workers of one group on an empty broker, and what became of the messages that a test sent."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis
from celery import Celery

from tests.conftest import environment_on, start, until
from tests.delivery.worker import Worker
from workers.brokers import redis as transports
from workers.derive.broker import transport_options
from workers.derive.command_line import worker_command
from workers.derive.queues import queues
from workers.topology import topology

#: The variable that names the file in which the tasks of probes.py note their runs.
LEDGER = "PROBE_LEDGER"


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

    def start(self, pool: str = "prefork", concurrency: int = 1, include: str = "tests.delivery.probes") -> Worker:
        """Start a worker, and wait until it takes tasks; `include`: modules it imports, separated by commas."""
        limits: dict[str, Any] = {} if pool == "prefork" else {"soft_time_limit": None, "max_tasks_per_child": None}
        limits |= {"max_memory_per_child": None, "pool": pool, "concurrency": concurrency}
        command = worker_command(self.group, topology().groups[self.group].model_copy(update=limits))
        log = self.folder / f"worker-{len(self.workers)}.log"
        with log.open("wb") as output:
            celery = [sys.executable, "-m", "celery", *command, "-I", include]
            process = start(celery, self.env, stdout=output, stderr=output)
        worker = Worker(process, log)
        self.workers.append(worker)
        worker.until_ready()
        return worker

    def send(self, task: str, *args: Any, **options: Any) -> str:
        """Send a task of the group; the id."""
        task_id = str(uuid4())
        self.app.send_task(f"shop.tasks.{self.group}.{task}", args, task_id=task_id, queue=self.group, **options)
        return task_id

    def result(self, task_id: str, seconds: float = 90) -> Any:
        """What a task returned, once it has."""
        with redis.Redis.from_url(self.env["RESULT_URL"]) as store:
            until(lambda: store.exists(f"celery-task-meta-{task_id}"), f"the result of {task_id}", seconds)
            found: Any = store.get(f"celery-task-meta-{task_id}")
        return json.loads(found)["result"]

    def put(self, envelope: bytes | str) -> None:
        """Put something into the group's queue that need not be a message."""
        self.broker.lpush(self.key(self.group), envelope)

    def key(self, name: str) -> str:
        """A key as it is called in Redis."""
        return f"{topology().project}:{name}"

    def noted(self, line: str, seconds: float = 90) -> None:
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

    def letter(self, task_id: str, seconds: float = 90) -> dict[str, Any]:
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

    def settled(self, seconds: float = 90) -> None:
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
    own = {"DATABASE_URL": f"sqlite:///{folder}/db.sqlite3", LEDGER: f"{folder}/ledger"}
    env = environment_on(server, database, **own)
    url = env["BROKER_URL"]
    broker = redis.Redis.from_url(url)
    broker.flushdb()
    app = Celery("sender", broker=url, set_as_current=False)
    app.conf.update(
        task_queues=queues(topology(), url),
        broker_transport_options=transport_options(topology(), url),
    )
    made = Stage(folder, group, env, broker, app)
    try:
        yield made
    finally:
        made.close()
