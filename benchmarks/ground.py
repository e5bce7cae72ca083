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
    def environment(self) -> dict[str, str]:
        """The project's, with the template importable and a database of its own for stock Celery."""
        [broker] = re.findall(r"(?m)^BROKER_URL=(.*)/0$", (self.project.root / ".env").read_text())
        path = os.pathsep.join((str(self.project.root), str(TEMPLATE)))
        return {**self.project.environment, "STOCK_URL": f"{broker}/9", "PYTHONPATH": path}

    @contextmanager
    def up(self) -> Iterator[subprocess.Popen[str]]:
        """The whole project, ready."""
        with self.project.up() as process:
            self.project.wait_until_ready(process, lambda _line: None)
            self.wait_for(lambda: self.project.log.read_text().count(" ready.") >= len(GROUPS), "the workers")
            yield process

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Until `condition` holds, at most a minute."""
        deadline = time.monotonic() + 60
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"waited in vain for {what}")
            time.sleep(0.1)
