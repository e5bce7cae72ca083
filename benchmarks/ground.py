"""The generated project that is measured."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from demo.project import TEMPLATE, Project
from tests.project.probe import GROUPS, add_probe, remove_shop


@dataclass
class Ground:
    """A project with the probe's tasks in place of the shop's, and two slots each for priority and batch."""

    project: Project

    def prepare(self) -> None:
        """Generate and install it."""
        self.project.generate(lambda _line: None)
        self.project.install(lambda _line: None)
        root = self.project.root
        remove_shop(root)
        add_probe(root)
        sizes = root / "environments/local/sizes.yml"
        sizes.write_text(re.sub(r"batch: \{concurrency: 1", "batch: {concurrency: 2", sizes.read_text()))

    @property
    def redis_url(self) -> str:
        """The embedded Redis, without the number of a database."""
        [url] = re.findall(r"(?m)^BROKER_URL=(.*)/0$", (self.project.root / ".env").read_text())
        return str(url)

    @property
    def environment(self) -> dict[str, str]:
        """The project's, with the template importable and a database of its own for stock Celery."""
        path = os.pathsep.join((str(self.project.root), str(TEMPLATE)))
        return {**self.project.environment, "STOCK_URL": f"{self.redis_url}/9", "PYTHONPATH": path}

    @contextmanager
    def conversation(
        self, module: str, *arguments: str, environment: dict[str, str]
    ) -> Iterator[subprocess.Popen[str]]:
        """A process of the project's that is talked to line by line, and ends with its input."""
        log = self.project.folder / f"{module.rpartition('.')[2]}.log"
        with (
            log.open("a") as errors,
            subprocess.Popen(
                (self.project.python, "-m", module, *arguments),
                cwd=self.project.root,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            try:
                yield process
            except BaseException:
                process.kill()  # it is waited for now, and may be waiting for something itself
                raise

    @contextmanager
    def redis(self) -> Iterator[None]:
        """The embedded Redis and nothing else."""
        with self.conversation("benchmarks.within.embedded", environment=self.environment) as process:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise RuntimeError("the embedded Redis did not start; why is in embedded.log")
            yield

    @contextmanager
    def up(self) -> Iterator[subprocess.Popen[str]]:
        """The whole project, ready."""
        with self.project.up() as process:
            self.project.wait_until_ready(process, lambda _line: None)
            self.wait_for(lambda: self.project.log.read_text().count(" ready.") >= len(GROUPS), "the workers")
            yield process

    def wait_for(self, condition: Callable[[], bool], what: str, every: float = 0.1) -> None:
        """Until `condition` holds, at most a minute; looks every so many seconds."""
        deadline = time.monotonic() + 60
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"waited in vain for {what}")
            time.sleep(every)
