"""The generated project's own processes within a cluster's network: what they say and do when something is wrong."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.brokers.cluster import Cluster
from tests.brokers.observers import project as observed_project
from tests.brokers.observers.processes import Observer, Observers
from tests.project.running import Project

_PROGRAM: Final = """\
import json
from config.env import select_settings
select_settings()
import django
django.setup()
from config.celery import app
{code}
print("answer:" + json.dumps(answer))
"""
#: Runs a worker with one transport option changed, for what would take hours with the derived one.
_WORKER: Final = """\
import sys
from config.celery import app
app.conf.broker_transport_options |= {options!r}
app.worker_main({arguments!r})
"""

#: Variables and what they are instead.
Changes = Mapping[str, str] | None


@dataclass(frozen=True)
class Clients:
    """Processes of `project` in the network of `cluster`."""

    cluster: Cluster
    project: Project
    folder: Path

    def environment(self, changes: Changes = None) -> dict[str, str]:
        """What they find there; `changes` are variables that are wrong on purpose."""
        return observed_project.environment(self.project, {**self.cluster.links("worker"), **(changes or {})})

    def run(self, *arguments: str, changes: Changes = None) -> subprocess.CompletedProcess[str]:
        """Run the project's Python with `arguments` to the end."""
        command = self.cluster.fleet.command(str(self.project.python), *arguments)
        environment = self.environment(changes)
        return subprocess.run(
            command, cwd=self.project.root, env=environment, capture_output=True, text=True, check=False, timeout=90
        )

    def ask(self, code: str, changes: Changes = None) -> Any:  # noqa: ANN401 - whatever the code says
        """What `code`, which has the application as `app`, calls `answer`."""
        done = self.run("-c", _PROGRAM.format(code=code), changes=changes)
        answers = [line for line in done.stdout.splitlines() if line.startswith("answer:")]
        assert answers, done.stdout[-3000:] + done.stderr[-3000:]
        return json.loads(answers[-1].removeprefix("answer:"))

    def publish(self, group: str, count: int, countdown: float | None = None, kind: str = "now") -> None:
        """Send `count` observed tasks to the group, named kind-0, kind-1..."""
        code = f"""
from importlib import import_module
task = import_module("probe.tasks.{group}").observe
for number in range({count}):
    task.apply_async(({kind!r}, f"{kind}-{{number}}", 0.0), countdown={countdown!r})
answer = None
"""
        self.ask(code)

    @contextmanager
    def observers(self) -> Iterator[Observers]:
        """Who run and write down what they did; ended with the block."""
        with Observers(self.folder, self.project.root, self.cluster.fleet.command) as observers:
            yield observers

    def worker(
        self,
        observers: Observers,
        name: str,
        group: str = "priority",
        options: Mapping[str, object] | None = None,
        changes: Changes = None,
    ) -> Observer:
        """Start a worker of the group; `options` are transport options that differ from the derived ones."""
        node = ["-n", f"{group}@{name}"]
        python = str(self.project.python)
        if options is None:
            command = [python, "-m", "workers", "run", group, "--", *node]
        else:
            arguments = ["worker", *node, "-Q", group, "--concurrency=2", "--without-mingle", "--without-gossip"]
            command = [python, "-c", _WORKER.format(options=dict(options), arguments=arguments)]
        return observers.start(name, command, self.environment(changes))


def runs(observers: Observers) -> Counter[str]:
    """How often each task has run so far."""
    return Counter(event.id for event in observers.seen() if event.what == "run")
