"""Two schedulers on two hosts, their database on a third, and a placed cluster of brokers, all in one fleet."""

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, cast
from uuid import NAMESPACE_URL, uuid5

import yaml

from rehearsal import Fleet, Inventory
from rehearsal.host import Host
from tests.brokers.certificates import Authority
from tests.brokers.observers import project as observed
from tests.brokers.rabbitmq import RabbitMQ, until
from tests.brokers.redis import Redis
from tests.project.probe import add_probe, remove_shop
from tests.project.running import Project
from tests.template.rendering import cookiecutter, generated

if TYPE_CHECKING:
    from tests.brokers.cluster import Cluster

ROOT: Final = Path(__file__).resolve().parents[2]
BEATS: Final = {"b1": "10.50.0.21", "b2": "10.50.0.22"}
DATABASE: Final = {"db": "10.50.0.31"}
PASSWORD: Final = "only-for-tests"  # noqa: S105 - of a database that lives for minutes
ENTRY: Final = "tick"
TASK: Final = "celery.backend_cleanup"
#: Packages of the example tasks; a scheduler imports none of them, and they are most of the bytes.
NOT_NEEDED: Final = ("numpy*", "scipy*", "sklearn*", "scikit_learn*", "joblib*", "PIL", "pillow*")

UNIT: Final = """\
[Unit]
Description=The scheduler
[Service]
ExecStart=/usr/bin/python3 -m celery --quiet -A config beat --pidfile=
WorkingDirectory=/srv/app
EnvironmentFile=/etc/beat/environment
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
"""

SERVER: Final = """\
listen_addresses = '*'
ssl = on
ssl_cert_file = '/etc/postgresql/tls/certificate.pem'
ssl_key_file = '/etc/postgresql/tls/key.pem'
"""

#: What a client of the database must be, in place of Debian's own lines.
ACCESS: Final = "local all postgres peer\nhostssl all observed 0.0.0.0/0 scram-sha-256\n"

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


class RabbitBeside(RabbitMQ):
    """The cluster on those hosts of a larger fleet that are its group."""

    @property
    def hosts(self) -> Sequence[Host]:
        """In the order of the clients' URLs."""
        return [host for host in self.fleet.hosts.values() if "rabbitmq" in host.groups]

    def placed(self) -> Authority:
        """Have the role's files on its hosts; whose certificates they are."""
        authority = Authority()
        self.place(authority)
        return authority


class RedisBeside(Redis):
    """The same for Redis."""

    @property
    def hosts(self) -> Sequence[Host]:
        """In the order of the Sentinels in the clients' URL."""
        return [host for host in self.fleet.hosts.values() if "redis" in host.groups]

    def placed(self) -> Authority:
        """Have the role's files on its hosts; whose certificates they are."""
        self.place()
        return self.authority


class Ground:
    """The fleet `name` with everything on it; `with` brings it up and takes it away."""

    def __init__(self, name: str, kind: type[RabbitBeside | RedisBeside], project: Project, folder: Path) -> None:
        """Write the inventory; nothing runs yet."""
        self.project = project
        self.cluster: RabbitBeside | RedisBeside = kind(name)
        brokers = self.cluster.fleet.inventory
        hosts = {entry.name: {"ansible_host": entry.address} for entry in brokers.hosts}
        groups = {
            self.cluster.broker: {"vars": {"rehearsal_layers": [self.cluster.broker]}, "hosts": hosts},
            "beat": _group(BEATS, str(_layer(project))),
            "database": _group(DATABASE, "postgresql"),
        }
        file = folder / "inventory.yml"
        file.write_text(yaml.safe_dump(groups, sort_keys=False), encoding="utf-8")
        self.fleet = self.cluster.fleet = Fleet(name, Inventory.read(file))

    @property
    def beats(self) -> list[Host]:
        """The hosts of the schedulers."""
        return [self.fleet[name] for name in BEATS]

    @property
    def database(self) -> Host:
        """The host of the database."""
        return self.fleet["db"]

    def __enter__(self) -> Self:
        """Everything runs, and ticks."""
        self.fleet.down()
        self.fleet.up()
        try:
            self._set_up()
        except BaseException:
            self.fleet.down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        self.fleet.down()

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
        """What the database says, asked on its own host."""
        asked = self.database.run("runuser", "-u", "postgres", "--", "psql", "-XtAc", statement, "observed")
        return asked.stdout.strip()

    def drained(self) -> list[str]:
        """The ids of all messages at the broker, which are taken away."""
        done = self.run("-c", DRAIN, role="worker")
        ids: list[str] = json.loads(done.stdout)
        return ids

    def run(self, *arguments: str, role: str = "web") -> subprocess.CompletedProcess[str]:
        """Run the project's Python as the controller, with the rights of `role`."""
        own = {"DATABASE_URL": self._database_url, "LOG_LEVEL": "ERROR"}
        variables = observed.environment(self.project, {**self.cluster.links(role), **own})  # type: ignore[arg-type]
        command = self.fleet.command(str(self.project.python), *arguments)
        done = subprocess.run(
            command, cwd=self.project.root, env=variables, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode in (0, 3, 4), done.stdout + done.stderr
        return done

    @property
    def _database_url(self) -> str:
        return f"postgres://observed:{PASSWORD}@db:5432/observed"

    def _set_up(self) -> None:
        authority = self.cluster.placed()
        self._set_up_database(authority)
        self.cluster.start()
        observed.declare(self.project, cast("Cluster", self.cluster))
        self.run("manage.py", "migrate", "-v", "0")
        entry = f"from workers.beat.models import Entry; Entry(name='{ENTRY}', task='{TASK}', every=1).save()"
        self.run("manage.py", "shell", "-v", "0", "-c", entry)
        for host in self.beats:
            self._set_up_beat(host, authority)
        self.wait_for_both()

    def _set_up_database(self, authority: Authority) -> None:
        host = self.database
        [main] = host.run("sh", "-c", "ls -d /etc/postgresql/*/main").stdout.split()
        shown = authority.issue("db", host.address)
        host.write("/etc/postgresql/tls/certificate.pem", shown.certificate, owner="postgres:postgres")
        host.write("/etc/postgresql/tls/key.pem", shown.key, mode=0o600, owner="postgres:postgres")
        host.write(f"{main}/conf.d/rehearsal.conf", SERVER, owner="postgres:postgres")
        host.write(f"{main}/pg_hba.conf", ACCESS, mode=0o640, owner="postgres:postgres")
        host.run("systemctl", "enable", "--now", "postgresql", timeout=60)
        for statement in (f"CREATE USER observed PASSWORD '{PASSWORD}'", "CREATE DATABASE observed OWNER observed"):
            host.run("runuser", "-u", "postgres", "--", "psql", "-Xqc", statement)

    def _set_up_beat(self, host: Host, authority: Authority) -> None:
        variables = observed.environment(
            self.project, {**self.cluster.links("web"), "DATABASE_URL": self._database_url}
        )
        own = {"PYTHONPATH": "/srv/site", "DATA_DIR": "/srv/app", "HOME": "/root", "TLS_CA_FILE": "/etc/beat/ca.pem"}
        given = {name: value for name, value in variables.items() if name != "PATH"} | own
        host.write("/etc/beat/environment", "".join(f'{name}="{value}"\n' for name, value in given.items()), mode=0o600)
        host.write("/etc/beat/ca.pem", authority.pem)
        host.write("/srv/app.tar", _packed(self.project))
        host.run("tar", "--extract", "--one-top-level=/srv/app", "--file=/srv/app.tar")
        host.write("/etc/systemd/system/beat.service", UNIT)
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


def _group(hosts: dict[str, str], layer: str) -> dict[str, Any]:
    addresses = {name: {"ansible_host": address} for name, address in hosts.items()}
    return {"vars": {"rehearsal_layers": [layer]}, "hosts": addresses}


def _layer(project: Project) -> Path:
    """A folder for the schedulers' hosts: the project's locked packages, for their Python. Made once a lock."""
    lock = project.root / "requirements/base.txt"
    layer = ROOT / f"build/brokers/site-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if layer.exists():
        return layer
    new = layer.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    site = new / "srv/site"
    uv = Path(sys.executable).with_name("uv")
    target = ("--target", site, "--python-version", "3.13", "--only-binary", ":all:", "--no-deps")
    subprocess.run([uv, "pip", "install", "--quiet", *target, "--require-hashes", "-r", lock], check=True, timeout=600)
    for pattern in NOT_NEEDED:
        for needless in site.glob(pattern):
            shutil.rmtree(needless) if needless.is_dir() else needless.unlink()
    return new.rename(layer)


def _packed(project: Project) -> bytes:
    """The project as its owner would bring it to a host."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for part in (
            "config",
            "manage.py",
            "probe",
            "pyproject.toml",
            "telemetry",
            "workers",
            "workers.yml",
            "environments",
        ):
            archive.add(project.root / part, arcname=part, filter=_unless_compiled)
    return packed.getvalue()


def _unless_compiled(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry
