"""Two schedulers on two hosts, their database on a third, and a placed cluster of brokers, all in one fleet."""

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from uuid import NAMESPACE_URL, uuid5

from rehearsal.host import Host
from tests.brokers.certificates import Authority
from tests.brokers.observers import project as observed
from tests.deployed import packages, release
from tests.deployed.beside import Beside
from tests.deployed.controller import Controller
from tests.deployed.inventory import group, widen
from tests.deployed.postgresql import PostgreSQL
from tests.deployed.standing import Standing
from tests.project.probe import add_probe, remove_shop
from tests.project.running import Project
from tests.template.rendering import ROOT, cookiecutter, generated
from tests.waiting import until

if TYPE_CHECKING:
    from tests.brokers.cluster import Cluster

BEATS: Final = {"b1": "10.50.0.21", "b2": "10.50.0.22"}
DATABASE: Final = {"db": "10.50.0.31"}
ENTRY: Final = "tick"
TASK: Final = "celery.backend_cleanup"

#: Takes every message out of the queue; prints the ids, a message's as often as it was there.
DRAIN: Final = """\
import json
from config.env import select_settings
select_settings()
import django
django.setup()
from config.celery import app
found = []
with app.connection_for_read() as connection:
    queue = app.amqp.queues["default"](connection.default_channel)
    while (message := queue.get()) is not None:
        found.append(message.headers["id"])
        message.ack()
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Tick:
    """What is recorded of a slot."""

    due: datetime
    state: str
    count: int
    sent_at: datetime | None


class Ground(Standing):
    """The fleet `name` with everything on it; `with` brings it up and takes it away."""

    def __init__(self, name: str, kind: type[Beside], project: Project, folder: Path) -> None:
        """Write the inventory; nothing runs yet."""
        self.project = project
        self.cluster: Beside = kind(name)
        layer = str(packages.layer(project))
        others = {"beat": group(BEATS, layer), "database": group(DATABASE, "postgresql")}
        self.fleet = widen(self.cluster, others, folder / "inventory.yml")
        self.postgresql = PostgreSQL(self.database)
        self.controller = Controller(self.fleet, project)

    @property
    def beats(self) -> list[Host]:
        """The hosts of the schedulers."""
        return [self.fleet[name] for name in BEATS]

    @property
    def database(self) -> Host:
        """The host of the database."""
        return self.fleet["db"]

    def active(self) -> Host:
        """The host of the scheduler that holds the lease."""
        holder = self.query("SELECT holder FROM beat_lease WHERE expires_at > now()")
        return self.fleet[holder.partition(":")[0]]

    def waiting(self) -> Host:
        """The other one."""
        active = self.active()
        return next(host for host in self.beats if host is not active and host.name != active.name)

    def ticks(self, since: float = 0.0) -> list[Tick]:
        """What is recorded of slots due after that moment (Unix time), in order."""
        columns = "json_build_array(due, state, count, sent_at)"
        rows = self.query(
            f"SELECT coalesce(json_agg({columns} ORDER BY due), '[]') FROM beat_run "  # noqa: S608 - our own numbers
            f"WHERE name = '{ENTRY}' AND due >= to_timestamp({since})"
        )
        moment = datetime.fromisoformat
        return [Tick(moment(due), state, many, sent and moment(sent)) for due, state, many, sent in json.loads(rows)]

    def wait_for_ticks(self, number: int, since: float, timeout: float = 60) -> None:
        """Until so many slots due after `since` were sent."""
        until(lambda: len(sent(self.ticks(since))) >= number, f"{number} ticks", timeout)

    def wait_for_both(self) -> None:
        """Until one scheduler ticks and the other waits for it."""
        seen = "SELECT count(*) FROM beat_scheduler WHERE seen_at > now() - interval '3 s'"
        until(lambda: self.query(seen) == "2", "two schedulers", 60)
        self.wait_for_ticks(2, time.time())

    def query(self, statement: str) -> str:
        """What the database says."""
        return self.postgresql.query(statement)

    def drained(self) -> list[str]:
        """The ids of all messages at the broker, which are taken away."""
        done = self.run("-c", DRAIN, role="worker")
        ids: list[str] = json.loads(done.stdout)
        return ids

    def run(self, *arguments: str, role: str = "web") -> subprocess.CompletedProcess[str]:
        """Run the project's Python as the controller, with the rights of `role`; 3 and 4 are findings."""
        return self.controller.run(self._links(role), *arguments, allowed=(0, 3, 4))

    def _links(self, role: str) -> dict[str, str]:
        return {**self.cluster.links(role), "DATABASE_URL": self.postgresql.url}  # type: ignore[arg-type]

    def _set_up(self) -> None:
        authority = self.cluster.placed()
        self.postgresql.start(authority)
        self.cluster.start()
        observed.declare(self.project, cast("Cluster", self.cluster))
        self.run("manage.py", "migrate", "-v", "0")
        entry = f"from workers.beat.models import Entry; Entry(name='{ENTRY}', task='{TASK}', every=1).save()"
        self.run("manage.py", "shell", "-v", "0", "-c", entry)
        for host in self.beats:
            self._set_up_beat(host, authority)
        self.wait_for_both()

    def _set_up_beat(self, host: Host, authority: Authority) -> None:
        release.place(host, self.project, self._links("web"), authority.pem)
        release.unit(host, "beat", "The scheduler", "celery --quiet -A config beat --pidfile=")
        host.run("systemctl", "enable", "--now", "beat", timeout=60)


def make(folder: Path) -> Project:
    """Render the template as it is now: the project that the clusters are set up for, with nothing of these tests."""
    answers = {"project_name": observed.NAME, "project_slug": observed.NAME, "init_git": "no"}
    root = generated(cookiecutter(ROOT, folder, answers), folder)
    remove_shop(root)
    add_probe(root)
    return Project(root, observed.python())


def sent(ticks: Sequence[Tick]) -> list[float]:
    """When ticks were sent, as Unix time, in order."""
    return sorted(tick.sent_at.timestamp() for tick in ticks if tick.sent_at and tick.state in ("sent", "late"))


def silence(ticks: Sequence[Tick], since: float) -> float:
    """Seconds without a tick, the longest time since that moment."""
    moments = [since, *(moment for moment in sent(ticks) if moment >= since)]
    return max(later - earlier for earlier, later in pairwise(moments))


def unaccounted(ticks: Sequence[Tick]) -> set[datetime]:
    """The seconds between the first and the last slot of which nothing is recorded."""
    known = {tick.due - timedelta(seconds=number) for tick in ticks for number in range(tick.count)}
    first, last = min(known), max(known)
    return {first + timedelta(seconds=number) for number in range(int((last - first).total_seconds()))} - known


def message_id(due: datetime) -> str:
    """The id that the message of a slot has, whoever sends it."""
    return str(uuid5(NAMESPACE_URL, f"{ENTRY} {due.isoformat()}"))
