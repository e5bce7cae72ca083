"""Runs playbooks in the fleet's network, and tells what they are doing."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from rehearsal.errors import RehearsalError
from rehearsal.fleet import Fleet
from rehearsal.shell import tail
from rehearsal.trial.clone import Clone
from rehearsal.trial.outside import trusting


class PlayError(RehearsalError):
    """A playbook failed; the message holds the end of what it said."""


@dataclass(frozen=True)
class Plays:
    """The playbooks of the clone, for the hosts of the fleet. `tell` gets each line as it comes."""

    fleet: Fleet
    clone: Clone
    tell: Callable[[str], None]

    def prepare(self, outside: Mapping[str, str]) -> None:
        """Write what differs from the real hosts: how they are reached, and what stands for the world around them."""
        own = self.clone.variables()
        more = {**own.get("project_environment_more", {}), **outside, **trusting(str(own["project"]))}
        reached = {"ansible_user": "root", "ansible_ssh_common_args": f"-F {self.fleet.ssh_config}"}
        self.clone.logs.mkdir(parents=True, exist_ok=True)
        self._variables.write_text(yaml.safe_dump({**reached, "project_environment_more": more}), encoding="utf-8")

    def run(self, playbook: str, *options: str) -> float:
        """Run one to its end; the seconds it took. Raises PlayError where it fails."""
        return self._follow(f"{playbook}.yml", self.begin(playbook, *options), self.clone.logs / f"{playbook}.log")

    def verify(self, *options: str) -> float:
        """Look whether the hosts have what the roles promise; the seconds it took. PlayError says what is broken."""
        return self._follow("make verify", self.begin_verifying(*options), self.clone.logs / "verify.log")

    def _follow(self, name: str, begun: subprocess.Popen[str], log: Path) -> float:
        """Tell and keep what it says, until it ends."""
        began = time.monotonic()
        with log.open("w", encoding="utf-8", buffering=1) as kept, begun as process:
            try:
                for line in process.stdout or ():
                    kept.write(line)
                    self.tell(line.strip())
            except BaseException:
                process.terminate()  # the lines end, or somebody pressed Ctrl-C
                raise
        if process.returncode:
            said = tail(_without_recap(log.read_text(encoding="utf-8")))
            raise PlayError(f"{name} failed; all of it: {_near(log)}\n{said}")
        return time.monotonic() - began

    def begin(self, playbook: str, *options: str) -> subprocess.Popen[str]:
        """Start one, in a session of its own: Ctrl-C is for its caller, who ends it. Its output is one text."""
        command = [
            *("ansible-playbook", "--inventory", self._inventory),
            *(part for file in self._more for part in ("--extra-vars", f"@{file}")),
            f"ansible/{playbook}.yml",
            *options,
        ]
        return self._begin(command)

    def begin_verifying(self, *options: str) -> subprocess.Popen[str]:
        """Start to look whether the hosts have what the roles promise; else like `begin`. Options are pytest's."""
        command = [
            *("pytest", "--config-file", "ansible/pytest.ini", "--ansible-inventory", self._inventory),
            *(part for file in self._more for part in ("--extra-vars", str(file))),
            "ansible/roles",
            *options,
        ]
        return self._begin(command)

    def _begin(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """Start one of Ansible's programs, or of those beside them, in the fleet's network."""
        program, *arguments = command
        return subprocess.Popen(
            self.fleet.command(str(self.clone.ansible / program), *arguments),
            cwd=self.clone.root,
            env={**os.environ, **self._settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    @property
    def _settings(self) -> dict[str, str]:
        return {
            "ANSIBLE_CONFIG": "ansible/ansible.cfg",
            "ANSIBLE_VAULT_PASSWORD_FILE": f"{self._environment}/.vault-password",
            # Ansible keeps connections open and finds them by address, which the real hosts have as well.
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.fleet.folder / "ssh"),
            "NO_COLOR": "1",
            "PYTEST_ADDOPTS": "",  # a caller's own, which may be a test
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        }

    @property
    def _environment(self) -> str:
        """Where the environment's files are, as the programs are told."""
        return f"environments/{self.clone.environment}"

    @property
    def _inventory(self) -> str:
        return f"{self._environment}/inventory.yml"

    @property
    def _more(self) -> list[Path]:
        """Variables that go before the inventory's: how hosts are reached, and what the owner wants different here."""
        own = self.clone.folder / "rehearsal.yml"
        return [self._variables, *([own] if own.exists() else [])]

    @property
    def _variables(self) -> Path:
        return self.clone.logs / "variables.yml"


def _without_recap(text: str) -> str:
    """What was said before the times and the hosts' counts."""
    return text.partition("\nSeconds by role")[0]


def _near(file: Path) -> str:
    return os.path.relpath(file)
