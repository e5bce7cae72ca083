"""Eleven hosts as production's inventory names them, bare, and the playbooks run against them."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml

from rehearsal import Fleet, Inventory
from rehearsal.host import Host
from tests.fleet import project
from tests.fleet.project import ANSIBLE, ENVIRONMENT
from tests.fleet.standins import StandIns, standing_in
from tests.template.rendering import ROOT

#: What bare hosts are made of: Debian's packages lie there and are not installed.
LAYERS: Final = ("packages",)
#: Playbooks that build a release.
BUILDING: Final = ("site.yml", "deploy.yml")
#: Seconds that a playbook may take.
PATIENCE: Final = 1200
#: As workers/release/packages.py does.
_COMPILE: Final = """\
set -eu
mkdir /root/packages && cd /root/packages && tar xzf ../packages.tar.gz
python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -x '/tests?/' .
tar czf ../compiled.tar.gz .
"""
#: The last lines of ansible/plugins/callback/steps.py.
_RECAP: Final = re.compile(r"^(\S+) +(\d+) changed, (\d+) failed, (\d+) unreachable$", re.MULTILINE)


@dataclass(frozen=True)
class Played:
    """How a playbook ended."""

    code: int
    text: str
    seconds: float

    @property
    def changed(self) -> dict[str, int]:
        """How many tasks changed something, by host."""
        return {host: int(changed) for host, changed, _, _ in _RECAP.findall(self.text)}


class Ground:
    """The fleet `name` with nothing on it; `with` brings it up and takes it away."""

    def __init__(self, name: str, folder: Path) -> None:
        """Make the project and its secrets; nothing runs yet."""
        self.folder = folder
        self.project = project.make(folder / "project")
        self.environment = self.project.root / f"environments/{ENVIRONMENT}"
        found = Inventory.read(self.environment / "inventory.yml")
        self.fleet = Fleet(name, Inventory(tuple(replace(host, layers=LAYERS) for host in found.hosts)))
        self._stack = ExitStack()
        self.standins: StandIns

    def __enter__(self) -> Self:
        """Bring it up; what a run that was killed left of it is taken away first."""
        with ExitStack() as stack:
            self.fleet.down()
            stack.callback(self.fleet.down)
            self.fleet.up()
            self._make_secrets()
            made = standing_in(self.fleet, self.project, self.vault["authority"], self.folder)
            self.standins = stack.enter_context(made)
            self._write_variables()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it away."""
        self._stack.close()

    @cached_property
    def vault(self) -> dict[str, Any]:
        """The secrets of the environment."""
        file = self.environment / "group_vars/all/vault.yml"
        password = self.environment / ".vault-password"
        command = [str(ANSIBLE / "bin/ansible-vault"), "view", "--vault-password-file", str(password), str(file)]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        secrets: dict[str, Any] = yaml.safe_load(found.stdout)["vault"]
        return secrets

    def hosts(self, group: str) -> list[Host]:
        """The hosts of a group, in the inventory's order."""
        return [self.fleet[host.name] for host in self.fleet.inventory.hosts if group in host.groups]

    def play(self, playbook: str, *options: str) -> Played:
        """Run a playbook to its end, whatever that is."""
        with self.playing(playbook, *options) as process:
            text, _ = process.communicate(timeout=PATIENCE)
        return Played(process.returncode, text, time.monotonic() - process.began)

    def must(self, playbook: str, *options: str) -> Played:
        """Run a playbook that must succeed."""
        played = self.play(playbook, *options)
        (self.folder / f"{Path(playbook).stem}.log").write_text(played.text, encoding="utf-8")
        assert played.code == 0, f"{playbook} ended with {played.code}:\n{played.text[-6000:]}"
        return played

    def playing(self, playbook: str, *options: str) -> "Playing":
        """A playbook that has begun."""
        root = self.project.root
        if playbook in BUILDING:
            self._build()
        given = (
            *("--inventory", f"environments/{ENVIRONMENT}/inventory.yml"),
            *("--vault-password-file", f"environments/{ENVIRONMENT}/.vault-password"),
            *("--extra-vars", f"@{self.folder / 'variables.yml'}"),
        )
        command = [str(root / ".local/ansible/bin/ansible-playbook"), *given, f"ansible/{playbook}", *options]
        return Playing(self.fleet.command(*command), root)

    def _build(self) -> None:
        """The release, before the playbook asks for it: from within the fleet's network nobody reaches packages."""
        kept = ROOT / "build/fleet-environments"
        kept.mkdir(parents=True, exist_ok=True)
        environments = self.project.root / "build/environments"
        if not environments.exists():
            environments.parent.mkdir(exist_ok=True)
            environments.symlink_to(kept)
        built = self.project.run("-m", "workers", "release", "build", "--json")
        assert built.returncode == 0, built.stdout + built.stderr
        self._compile(Path(json.loads(built.stdout)["environment_archive"]))

    def _compile(self, archive: Path) -> None:
        """What the controller does by itself where it has the hosts' Python; kept for the next fleet."""
        mark = archive.with_suffix(".compiled")
        if mark.exists():
            return
        host = next(iter(self.fleet.hosts.values()))
        host.write("/root/packages.tar.gz", archive.read_bytes())
        host.run("sh", "-c", _COMPILE, timeout=300)
        shutil.copy(host.folder / "disk/root/compiled.tar.gz", archive)
        host.run("rm", "-rf", "/root/packages", "/root/packages.tar.gz", "/root/compiled.tar.gz")
        mark.touch()

    def _make_secrets(self) -> None:
        """What `make secrets` calls, in an environment that is there."""
        command = [str(ANSIBLE / "bin/python"), "ansible/vault.py", str(self.environment)]
        subprocess.run(command, cwd=self.project.root, check=True)

    def _write_variables(self) -> None:
        """What is different in a rehearsal: how hosts are reached, and what stands for the world outside."""
        authority = f"/etc/{project.NAME}/ca.pem"
        own = yaml.safe_load((self.environment / "group_vars/all/main.yml").read_text(encoding="utf-8"))
        trust = {"REQUESTS_CA_BUNDLE": authority, "SSL_CERT_FILE": authority}
        variables = {
            "ansible_user": "root",
            "ansible_ssh_common_args": f"-F {self.fleet.ssh_config}",
            "project_environment_more": {**own["project_environment_more"], **self.standins.variables, **trust},
        }
        (self.folder / "variables.yml").write_text(yaml.safe_dump(variables), encoding="utf-8")


class Playing(subprocess.Popen[str]):
    """ansible-playbook at work; its output is one text."""

    def __init__(self, command: Sequence[str], root: Path) -> None:
        """Start it, with nothing of the caller's settings but the path."""
        self.began = time.monotonic()
        super().__init__(
            command,
            cwd=root,
            env={
                "PATH": os.environ["PATH"],
                "HOME": os.environ.get("HOME", "/root"),
                "LANG": "C.UTF-8",
                "ANSIBLE_CONFIG": "ansible/ansible.cfg",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def lines(text: str) -> list[dict[str, Any]]:
    """JSON, a line each."""
    return [json.loads(line) for line in text.splitlines()]
