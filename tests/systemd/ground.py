"""The hosts of these tests: one or two with the project's units, and one with its database and its broker."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from rehearsal import Fleet, Inventory
from tests.brokers.certificates import Authority
from tests.delivery import results
from tests.deployed import packages
from tests.deployed.controller import Controller
from tests.deployed.inventory import group
from tests.deployed.postgresql import NAME, PostgreSQL
from tests.deployed.standing import Standing
from tests.project.running import Project
from tests.systemd.app import App

APPS: Final = {"app1": "10.70.0.11", "app2": "10.70.0.12"}
DATABASE: Final = {"db": "10.70.0.31"}
#: Where a payment and an order of the probe are real.
TABLES: Final = f"""\
SET ROLE {NAME};
CREATE TABLE charges (payment text NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE orders (id text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
"""
#: Of the one Redis beside results (0), cache (1) and locks (2).
BROKER: Final = 3


#: Sends what its argument lists, and prints what came back.
_CALL: Final = """\
import json, sys
from config.env import select_settings
select_settings()
import django
django.setup()
from config.celery import app
import probe.tasks
sent = [app.tasks[name].delay(*arguments) for name, arguments in json.loads(sys.argv[1])]
print(json.dumps([each.get(timeout=60) for each in sent]))
"""


class Ground(Standing):
    """The fleet `name` with the units installed and none of them started; `with` brings it up and takes it away."""

    def __init__(self, name: str, project: Project, folder: Path, apps: int = 1) -> None:
        """Write the inventory into `folder`; nothing runs yet."""
        self.project = project
        layer = str(packages.layer(project, numpy=True))
        chosen = dict(list(APPS.items())[:apps])
        file = folder / "inventory.yml"
        hosts = {"app": group(chosen, layer), "database": group(DATABASE, "redis", "postgresql")}
        file.write_text(yaml.safe_dump(hosts, sort_keys=False), encoding="utf-8")
        self.fleet = Fleet(name, Inventory.read(file))
        self.apps = [App(self.fleet[each], project) for each in chosen]
        self.database = PostgreSQL(self.fleet["db"])
        self.controller = Controller(self.fleet, project)
        self.authority = Authority()
        self.ca_file = folder / "ca.pem"

    @property
    def app(self) -> App:
        """The host that most tests are about."""
        return self.apps[0]

    @property
    def links(self) -> dict[str, str]:
        """Where a process finds everything; TLS_CA_FILE is of this machine."""
        found = results.links(self.database.host)
        broker = found["RESULT_URL"].replace("/0", f"/{BROKER}")
        return {**found, "BROKER_URL": broker, "DATABASE_URL": self.database.url, "TLS_CA_FILE": str(self.ca_file)}

    def call(self, *calls: tuple[str, str, Sequence[object]]) -> list[Any]:
        """Send tasks, each as group, name and arguments, and wait for what they return."""
        named = [(f"probe.tasks.{group}.{task}", arguments) for group, task, arguments in calls]
        said = self.controller.run(self.links, "-c", _CALL, json.dumps(named))
        found: list[Any] = json.loads(said.stdout)
        return found

    def _set_up(self) -> None:
        self.ca_file.write_text(self.authority.pem, encoding="utf-8")
        self.database.start(self.authority)
        self.database.query(TABLES)
        results.start(self.database.host, self.authority)
        self.controller.run(self.links, "manage.py", "migrate", "-v", "0")
        for app in self.apps:
            app.place(self.links, self.authority.pem)
