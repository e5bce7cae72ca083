"""The two sides of what the delivery layer costs: the project, and the same settings without it (within/bare.py)."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from benchmarks.ground import Ground
from demo import processes

Name = Literal["layered", "bare"]
NAMES: tuple[Name, Name] = ("layered", "bare")
#: Databases of the embedded Redis for messages and for results.
DATABASES = {"layered": (0, 1), "bare": (10, 11)}


@dataclass(frozen=True)
class Side:
    """One of the two."""

    ground: Ground
    name: Name

    @property
    def stamps(self) -> Path:
        """Where each child notes when a task began, in a file of its own: eight bytes a task."""
        return self.ground.project.folder / "stamps" / self.name

    @property
    def environment(self) -> dict[str, str]:
        """What its processes run with: its own databases, and lines as in production."""
        links = zip(("BROKER_URL", "RESULT_URL"), DATABASES[self.name], strict=True)
        urls = {variable: f"{self.ground.redis_url}/{database}" for variable, database in links}
        return {**self.ground.environment, **urls, "LOG_FORMAT": "json", "STAMPS": str(self.stamps)}

    @contextmanager
    def worker(self, group: str) -> Iterator[psutil.Process]:
        """The worker of a group, from here to the end of the block."""
        self.stamps.mkdir(parents=True, exist_ok=True)
        command = (self.ground.project.python, "-m", "benchmarks.within.worker", group, self.name)
        with (
            self.log(group).open("w") as log,
            processes.started(command, self.ground.project.root, self.environment, log) as process,
        ):
            yield psutil.Process(process.pid)

    def log(self, group: str) -> Path:
        """What that worker says."""
        return self.ground.project.folder / f"{group}-{self.name}.log"

    def is_ready(self, group: str) -> bool:
        """Whether that worker said that it is."""
        return " ready." in self.log(group).read_text()

    @contextmanager
    def client(self) -> Iterator["Client"]:
        """A process that sends tasks, from here to the end of the block."""
        with self.ground.conversation("benchmarks.within.talker", self.name, environment=self.environment) as process:
            yield Client(process)


@dataclass(frozen=True)
class Client:
    """A process of talker.py."""

    process: subprocess.Popen[str]

    def fill(self, task: str, count: int) -> None:
        """Send so many, after the queues were emptied."""
        self._ask("fill", task, count)

    def talk(self, count: int) -> tuple[list[float], list[float]]:
        """Send so many one by one to an idle worker: milliseconds of each sending, and to each start."""
        sending, starting = json.loads(self._ask("talk", count))
        return sending, starting

    def _ask(self, *command: object) -> str:
        print(json.dumps(command), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline() if self.process.stdout else ""
        if not answer:
            raise RuntimeError(f"the client ended at {command}; what it said is in talker.log")
        return answer
