"""The clients of one side in one row: ours, which are processes of a generated project, or stock Celery's."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.brokers import figures
from tests.brokers.cluster import Cluster, Role
from tests.brokers.observers import project as observed
from tests.brokers.observers.processes import Observers
from tests.project.running import Project

#: Tasks a second of the producer that is watched, and of one that is started during the fault.
RATE, LATE_RATE = 20, 5
#: And of one that floods: slow enough for two cores to run what comes due, so that only the fault makes it late.
FLOOD_RATE: Final = 40


@dataclass
class Side:
    """Starts the clients, tells when they succeeded; `name`: ours or stock, `since`: when its tasks began to count.

    `variables` go before those that the cluster gives its clients.
    """

    name: str
    observers: Observers
    project: Project
    cluster: Cluster
    variables: Mapping[str, str]
    since: float = 0.0

    def start_producer(self, name: str, rate: int = RATE, *options: str) -> None:
        """Start one that sends `rate` tasks a second."""
        self._start(name, "web", ("-m", "tests.brokers.observers.publish", self.name, str(rate), *options))

    def start_flood(self, count: int) -> None:
        """Start a producer of `count` tasks with a long countdown."""
        self.start_producer("producer-flood", FLOOD_RATE, str(count))

    def start_worker(self, name: str, group: str) -> None:
        """Start one that consumes the queue of `group`."""
        node = f"{group}@{name}"
        queue = observed.STOCK_QUEUES[group]
        ours = ("-m", "workers", "run", group, "--", "-n", node)
        stock = ("-m", "celery", "-A", "tests.brokers.stock", "worker", "-Q", queue, "-n", node, "--loglevel", "INFO")
        self._start(name, "worker", ours if self.name == "ours" else stock)

    def start_wave(self, number: int) -> None:
        """A worker and a producer that find the brokers as they are now."""
        self.start_producer(f"producer-{number}", LATE_RATE, "alone")
        self.start_worker(f"worker-{number}", observed.SIDE)

    def started(self, number: int) -> bool:
        """Whether both of a wave have had a success."""
        return all(self.successes(f"{kind}-{number}") for kind in ("producer", "worker"))

    def flows(self, since: float) -> bool:
        """Whether the clients that are watched have had successes after `since`."""
        return all(max(self.successes(name, "now"), default=0) > since for name in ("worker", "producer"))

    def successes(self, observer: str, kind: str | None = None) -> list[float]:
        """When `observer` succeeded, with tasks of one kind or of all."""
        return figures.successes(self.observers.seen(), observer, kind)

    def unfinished(self) -> set[str]:
        """What was confirmed and has not run yet."""
        return figures.lost(self.observers.seen(), self.since)

    def end_wave(self, number: int) -> None:
        """End both at once; on Redis what the worker held stays with it for an hour, and is nobody's loss here."""
        for kind in ("producer", "worker"):
            self.observers.running[f"{kind}-{number}"].kill()
        self.since = time.monotonic()

    def end_producers(self) -> None:
        """Send no more."""
        for name, observer in self.observers.running.items():
            if name.startswith("producer"):
                observer.kill()

    def _start(self, name: str, role: Role, command: Sequence[str]) -> None:
        links = {**self.cluster.links("stock" if self.name == "stock" else role), **self.variables}
        self.observers.start(name, [str(self.project.python), *command], observed.environment(self.project, links))
