"""The linter is content, every playbook can be read, and each role says what its variables are."""

import ast
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.fleet.project import ANSIBLE
from tests.playbooks.local import FOLDER, NO_INVENTORY

PLAYBOOKS: Final = sorted(path.name for path in FOLDER.glob("*.yml"))
ROLES: Final = sorted(path.name for path in (FOLDER / "roles").iterdir() if path.is_dir())
#: These change nothing on hosts: nothing is to be looked up there afterwards.
LOOKING: Final = frozenset({"preflight", "smoke"})
#: The groups for which there are playbooks, as an inventory names them.
GROUPS: Final = ("rabbitmq", "redis", "postgresql", "web", "beat", "workers_default", "monitoring")


def ansible(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the controller's in the folder of the playbooks, where ansible.cfg lies."""
    path = f"{ANSIBLE / 'bin'}:{os.environ['PATH']}"
    # The options of these tests are none of its.
    environment = {**os.environ, **NO_INVENTORY, "PATH": path, "NO_COLOR": "1", "PYTEST_ADDOPTS": ""}
    command = [str(ANSIBLE / "bin" / program), *arguments]
    return subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, check=False)


def read(role: str, file: str) -> dict[str, Any]:
    """One of a role's YAML files; empty where there is none."""
    path = FOLDER / "roles" / role / file
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    return content or {}


def test_the_linter_is_content() -> None:
    """With the profile that published collections are held to."""
    done = ansible("ansible-lint", "--nocolor")
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_can_be_read() -> None:
    """Roles, modules and tasks that they name are there."""
    done = ansible("ansible-playbook", "--syntax-check", "--inventory", "localhost,", *PLAYBOOKS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("playbook: ")] == [
        f"playbook: {playbook}" for playbook in PLAYBOOKS
    ]


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_hosts_in_turn_are_those_of_the_inventory_in_its_order(playbook: str) -> None:
    """A group that a playbook makes has its hosts in the order of their answers: it may only narrow the choice."""
    plays = yaml.safe_load((FOLDER / playbook).read_text(encoding="utf-8"))
    chosen = [term for play in plays if "serial" in play for term in play["hosts"].split(":") if term[0] not in "&!"]
    assert [term for term in chosen if term not in GROUPS and term != "workers_*"] == []


@pytest.mark.parametrize("role", ROLES)
def test_what_has_a_default_is_declared(role: str) -> None:
    """And what is declared has a default, unless it is required."""
    options = read(role, "meta/argument_specs.yml")["argument_specs"]["main"].get("options", {})
    optional = {option for option, said in options.items() if not said.get("required")}
    assert optional == read(role, "defaults/main.yml").keys()


@pytest.mark.parametrize("role", ROLES)
def test_it_says_what_it_is_for(role: str) -> None:
    """Each role has a README, and each of its variables a description."""
    readme = (FOLDER / "roles" / role / "README.md").read_text(encoding="utf-8")
    assert len(readme.split()) > 40
    options = read(role, "meta/argument_specs.yml")["argument_specs"]["main"].get("options", {})
    assert [name for name, said in options.items() if not said.get("description")] == []


@pytest.mark.parametrize("role", ROLES)
def test_its_variables_bear_its_name(role: str) -> None:
    """So that a variable tells who reads it."""
    assert [name for name in read(role, "defaults/main.yml") if not name.startswith(f"{role}_")] == []


def test_every_file_is_of_a_known_kind() -> None:
    """A folder's name tells what may change there."""
    known = {"defaults", "files", "handlers", "meta", "tasks", "templates", "tests", "vars", "README.md", "library"}
    strange = [str(path) for role in ROLES for path in (FOLDER / "roles" / role).iterdir() if path.name not in known]
    assert strange == []


@pytest.mark.parametrize("role", [role for role in ROLES if role not in LOOKING])
def test_its_promises_are_looked_up(role: str) -> None:
    """By `make verify`, which shows nothing of a failure but its words: each assert has some."""
    tree = ast.parse((FOLDER / "roles" / role / "tests" / f"test_{role}.py").read_text(encoding="utf-8"))
    asserts = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert asserts
    assert [node.lineno for node in asserts if node.msg is None] == []


def test_what_is_looked_up_can_be_read(tmp_path: Path) -> None:
    """With the controller's packages alone, and of each role on the hosts that it is for."""
    inventory = tmp_path / "inventory.yml"
    hosts = {group: {"hosts": {f"{group}1": {"ansible_host": "192.0.2.1"}}} for group in GROUPS}
    inventory.write_text(yaml.safe_dump(hosts), encoding="utf-8")
    asked = ("--config-file", "pytest.ini", "--ansible-inventory", str(inventory), "--collect-only", "roles")
    done = ansible("pytest", *asked)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"^roles/(\w+)/tests/test_\w+\.py::test_\w+\[ansible://(\w+)\]$", done.stdout, re.MULTILINE)
    assert {role for role, _ in found} == {*ROLES} - LOOKING
    assert {host for role, host in found if role == "base"} == {f"{group}1" for group in GROUPS}
    assert {host for role, host in found if role == "release"} == {"web1", "beat1", "workers_default1"}
