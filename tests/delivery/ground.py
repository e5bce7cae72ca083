"""The fleet of the matrix: three hosts of brokers, two of workers, one of the database."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, cast

from rehearsal.host import Host
from tests.brokers.certificates import Authority
from tests.brokers.cluster import Broker, Cluster, Role
from tests.brokers.observers import project as observed
from tests.delivery import results
from tests.delivery.ledger import Entry
from tests.delivery.workers import START, WorkerHost
from tests.deployed import packages
from tests.deployed.beside import Beside, RabbitBeside, RedisBeside
from tests.deployed.controller import Controller
from tests.deployed.inventory import group, widen
from tests.deployed.postgresql import NAME, PostgreSQL
from tests.deployed.standing import Standing
from tests.project.probe import GROUPS
from tests.project.running import Project
from tests.template.rendering import ROOT
from tests.waiting import until

WORKERS: Final = {"w1": "10.60.0.21", "w2": "10.60.0.22"}
DATABASE: Final = {"db": "10.60.0.31"}
BESIDE: Final[dict[Broker, type[Beside]]] = {"rabbitmq": RabbitBeside, "redis": RedisBeside}
#: Where a payment and an order are real. A payment has no key: a second charge is a second row.
TABLES: Final = f"""\
SET ROLE {NAME};
CREATE TABLE charges (payment text NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE orders (id text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
"""


class Ground(Standing):
    """The fleet `name` with everything on it; `with` brings it up and takes it away."""

    def __init__(self, name: str, broker: Broker, project: Project, folder: Path) -> None:
        """Write the inventory into `folder`; nothing runs yet."""
        self.broker = broker
        self.project = project
        self.folder = folder
        self.cluster: Beside = BESIDE[broker](name)
        layer = str(packages.layer(project))
        # Results beside RabbitMQ are one Redis without a replica: what becomes of a fail-over of theirs, the other
        # broker's cells tell, and a fleet of three more hosts would wait for two cores.
        others = {"workers": group(WORKERS, layer), "database": group(DATABASE, "redis", "postgresql")}
        self.fleet = widen(self.cluster, others, folder / "inventory.yml")
        self.workers = [WorkerHost(self.fleet[name]) for name in WORKERS]
        self.database = PostgreSQL(self.fleet["db"])
        self.controller = Controller(self.fleet, project)

    @property
    def struck(self) -> WorkerHost:
        """The workers' host that faults are about; the other one goes on."""
        return self.workers[0]

    @property
    def results(self) -> list[Host]:
        """Who may hold the results."""
        return [self.database.host] if self.broker == "rabbitmq" else list(self.cluster.hosts)

    def links(self, role: Role) -> dict[str, str]:
        """Where a process of `role` finds everything."""
        beside = results.links(self.database.host) if self.broker == "rabbitmq" else {}
        return {**self.cluster.links(role), **beside, "DATABASE_URL": self.database.url}

    def entries(self) -> Iterator[Entry]:
        """What tasks wrote down on all hosts since the last call."""
        for worker in self.workers:
            yield from worker.entries()

    def charges(self, token: str) -> Mapping[str, int]:
        """How often each payment was charged whose id begins with `token`."""
        counted = f"SELECT payment, count(*) FROM charges WHERE payment LIKE '{token}-%' GROUP BY payment"  # noqa: S608 - ours
        rows = (line.partition("|") for line in self.database.query(counted).splitlines())
        return {payment: int(times) for payment, _, times in rows}

    def committed(self, token: str) -> set[str]:
        """The ids of the orders that were committed, and begin with `token`."""
        return set(self.database.query(f"SELECT id FROM orders WHERE id LIKE '{token}-%'").splitlines())  # noqa: S608 - ours

    def held(self) -> tuple[int, int]:
        """How many tasks wait with the broker, and how many in the outbox."""
        waiting = self.database.query("SELECT count(*) FROM delivery_outboxmessage")
        return self.cluster.held(GROUPS), int(waiting)

    def wait_well(self) -> None:
        """Until everything that a fault may have hit is as it was: brokers, workers, database."""
        self.cluster.wait_healthy(120)
        for worker in self.workers:
            worker.wait_active()
        until(lambda: self.database.query("SELECT 1") == "1", "the database")

    def _set_up(self) -> None:
        authority = self.cluster.placed()
        self.database.start(authority)
        self.database.query(TABLES)
        self.cluster.start()
        if self.broker == "rabbitmq":
            results.start(self.database.host, authority)
        observed.declare(self.project, cast("Cluster", self.cluster))
        self.controller.run(self.links("web"), "manage.py", "migrate", "-v", "0")
        self._start_workers(authority)

    def _start_workers(self, authority: Authority) -> None:
        with ThreadPoolExecutor(len(self.workers)) as pool:
            list(pool.map(lambda worker: self._place(worker, authority), self.workers))
        for worker in self.workers:
            worker.start()
        for worker in self.workers:
            until(lambda worker=worker: self._takes_tasks(worker), lambda: f"ready: {self._ready()}", START)  # type: ignore[misc]

    def _place(self, worker: WorkerHost, authority: Authority) -> None:
        worker.place(self.project, self.links("worker"), self.links("relay"), authority.pem)

    def _takes_tasks(self, worker: WorkerHost) -> bool:
        list(worker.entries())
        return all(worker.ready.get(group) for group in GROUPS)

    def _ready(self) -> dict[str, list[str]]:
        return {worker.host.name: sorted(worker.ready) for worker in self.workers}


def folder_of(name: str) -> Path:
    """Where a fleet's files are."""
    return ROOT / "build/delivery" / name
