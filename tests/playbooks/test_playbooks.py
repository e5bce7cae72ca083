"""The linter is content, every playbook can be read, and each role says what its variables are."""

import os
import subprocess
from typing import Any, Final

import pytest
import yaml

from tests.fleet.project import ANSIBLE
from tests.playbooks.local import FOLDER, NO_INVENTORY

PLAYBOOKS: Final = sorted(path.name for path in FOLDER.glob("*.yml"))
ROLES: Final = sorted(path.name for path in (FOLDER / "roles").iterdir() if path.is_dir())


def ansible(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the controller's in the folder of the playbooks, where ansible.cfg lies."""
    environment = {**os.environ, **NO_INVENTORY, "PATH": f"{ANSIBLE / 'bin'}:{os.environ['PATH']}", "NO_COLOR": "1"}
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
    known = {"defaults", "files", "handlers", "meta", "tasks", "templates", "vars", "README.md", "library"}
    strange = [str(path) for role in ROLES for path in (FOLDER / "roles" / role).iterdir() if path.name not in known]
    assert strange == []
