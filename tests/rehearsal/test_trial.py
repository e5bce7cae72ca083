"""`rehearse` touches nothing of its owner's, takes away a host that can be spared, and counts what visitors met."""

import http.server
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from rehearsal import Fleet, Inventory, RehearsalError
from rehearsal.trial import visitors
from rehearsal.trial.clone import GIT, SECRETS, Clone
from rehearsal.trial.plays import Plays
from rehearsal.trial.trial import alone, victim

INVENTORY = "rabbitmq: {hosts: {rabbit1: {ansible_host: 10.0.0.1}}}\n"
THREE = """\
rabbitmq: {children: {nodes: {}}}
postgresql: {hosts: {node1: {}}}
web: {hosts: {node1: {}, node2: {}}}
workers_batch: {hosts: {node2: {}, node3: {}}}
nodes:
  hosts:
    node1: {ansible_host: 10.0.0.1}
    node2: {ansible_host: 10.0.0.2}
    node3: {ansible_host: 10.0.0.3}
"""


#: No host can be spared: each is the only one of some group.
ALONE = THREE.replace("{node1: {}, node2: {}}", "{node2: {}}").replace("node2: {}, node3: {}", "node3: {}")


@pytest.fixture
def owner(tmp_path: Path) -> Path:
    """A project with an environment, whose secrets are there and whose inventory was changed and not committed."""
    root = tmp_path / "shop"
    folder = root / "environments/staging"
    (folder / "group_vars/all").mkdir(parents=True)
    for name, text in {
        ".gitignore": ".local/\n.vault-password\n",
        "manage.py": "",
        "environments/staging/inventory.yml": "{}",
        "environments/staging/group_vars/all/main.yml": "project: shop\n",
        "environments/staging/group_vars/all/vault.yml": "secret",
        "environments/staging/.vault-password": "secret",
    }.items():
        (root / name).write_text(text, encoding="utf-8")
    for step in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*GIT, "-C", str(root), *step], check=True)
    (folder / "inventory.yml").write_text(INVENTORY, encoding="utf-8")
    return root


def test_it_works_on_a_clone_without_secrets(owner: Path) -> None:
    """With the environment as its owner has it now, committed there: a release is made of a commit."""
    clone = Clone.make(owner, "staging")
    assert (clone.folder / "inventory.yml").read_text(encoding="utf-8") == INVENTORY
    assert not [path for name in SECRETS for path in clone.root.rglob(name)]
    status = [*GIT, "-C", str(clone.root), "status", "--porcelain"]
    assert subprocess.run(status, capture_output=True, text=True, check=True).stdout == ""
    assert clone.variables() == {"project": "shop"}


def test_the_owner_keeps_everything(owner: Path) -> None:
    """Neither commits nor files of the owner's change; a second clone takes the first one's place."""
    log = [*GIT, "-C", str(owner), "log", "--format=%H"]
    before = subprocess.run(log, capture_output=True, check=True).stdout
    Clone.make(owner, "staging").commit("Another release")
    clone = Clone.make(owner, "staging")
    clone.give_back()
    assert subprocess.run(log, capture_output=True, check=True).stdout == before
    assert (owner / "environments/staging/.vault-password").read_text(encoding="utf-8") == "secret"
    assert not clone.root.exists()


def test_an_environment_that_is_not_there_is_refused(owner: Path) -> None:
    """Before anything is made."""
    with pytest.raises(RehearsalError, match=r"no environments/stagin/inventory\.yml here"):
        Clone.make(owner, "stagin")


def test_no_connection_to_the_real_hosts_is_taken_up(owner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts here have the addresses of those, and Ansible finds connections that were left open by address."""
    clone = Clone.make(owner, "staging")
    program = owner / ".local/ansible/bin/ansible-playbook"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$ANSIBLE_SSH_CONTROL_PATH_DIR"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(Fleet, "command", lambda _, *argv: list(argv))  # in no network of its own
    fleets = [Fleet(name, Inventory.read(clone.folder / "inventory.yml")) for name in ("one", "other")]
    told = [Plays(fleet, clone, print).begin("site").communicate()[0].strip() for fleet in fleets]
    assert told == [str(fleet.folder / "ssh") for fleet in fleets]


@pytest.mark.parametrize(
    ("text", "expected", "waits"),
    [
        (THREE, "node3", []),  # not node1, which has the database
        (THREE.replace("node2: {}, node3: {}", "node3: {}"), "node2", []),  # nobody else works for batch
        (THREE.replace("{node1: {}, node2: {}}", "{node2: {}}"), "node3", []),
        (ALONE, "node3", ["workers_batch"]),  # not node2, which has the web
        (ALONE.replace("web: {hosts: {node2: {}}}", "web: {hosts: {node3: {}}}"), "node2", []),
        (ALONE.replace("hosts: {node1: {}}", "hosts: {node1: {}, node2: {}, node3: {}}"), None, []),
    ],
    ids=["any but the database's", "nor the only one of a group", "nor", "whose work can wait", "the other", "none"],
)
def test_a_host_is_lost_that_can_be_spared(tmp_path: Path, text: str, expected: str | None, waits: list[str]) -> None:
    """Else the smoke test would fail for a reason that everybody knows."""
    file = tmp_path / "inventory.yml"
    file.write_text(text, encoding="utf-8")
    hosts = Fleet("some", Inventory.read(file)).hosts.values()
    found = victim(hosts)
    assert (found.name if found else None) == expected
    assert (alone(found, hosts) if found else []) == waits


class _Page(http.server.BaseHTTPRequestHandler):
    """Answers as its server is told."""

    def do_GET(self) -> None:
        """Every page."""
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    """Whom the visitors believe."""
    made, file = trustme.CA(), tmp_path / "ca.pem"
    made.cert_pem.write_to_path(file)
    return made, file


@pytest.fixture
def site(authority: tuple[trustme.CA, Path]) -> Iterator[http.server.ThreadingHTTPServer]:
    """A site at an address of this machine's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority[0].issue_cert("shop.example.com").configure_cert(context)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    server.status = 200  # type: ignore[attr-defined]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("status", "bad"), [(200, False), (404, False), (502, True)])
def test_visitors_tell_what_they_met(
    site: http.server.ThreadingHTTPServer, authority: tuple[trustme.CA, Path], status: int, *, bad: bool
) -> None:
    """A page that is not there is an answer; one that a server could not make is none."""
    site.status = status  # type: ignore[attr-defined]
    address = f"127.0.0.1:{site.server_address[1]}"
    command = [sys.executable, visitors.__file__, "shop.example.com", str(authority[1]), address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "came\n"
        printed, _ = process.communicate()
    seen = json.loads(printed)
    assert seen["requests"] > 0
    assert seen["failed"] == (seen["requests"] if bad else 0)
    assert bad == any("status 502" in word for word in seen["words"])
