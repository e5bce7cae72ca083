"""Runs playbooks in the fleet's network, and tells what they are doing."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
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
        began = time.monotonic()
        log = self.clone.logs / f"{playbook}.log"
        with log.open("w", encoding="utf-8", buffering=1) as kept, self.begin(playbook, *options) as process:
            try:
                for line in process.stdout or ():
                    kept.write(line)
                    self.tell(line.strip())
            except BaseException:
                process.terminate()  # the lines end, or somebody pressed Ctrl-C
                raise
        if process.returncode:
            said = tail(_without_recap(log.read_text(encoding="utf-8")))
            raise PlayError(f"{playbook}.yml failed; all of it: {_near(log)}\n{said}")
        return time.monotonic() - began

    def begin(self, playbook: str, *options: str) -> subprocess.Popen[str]:
        """Start one, in a session of its own: Ctrl-C is for its caller, who ends it. Its output is one text."""
        folder = f"environments/{self.clone.environment}"
        own = self.clone.folder / "rehearsal.yml"  # the owner's: what else must be different here
        given = [f"@{self._variables}", *([f"@{own}"] if own.exists() else [])]
        command = [
            str(self.clone.ansible / "ansible-playbook"),
            *("--inventory", f"{folder}/inventory.yml", "--vault-password-file", f"{folder}/.vault-password"),
            *(part for each in given for part in ("--extra-vars", each)),
            f"ansible/{playbook}.yml",
            *options,
        ]
        return subprocess.Popen(
            self.fleet.command(*command),
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
            # Ansible keeps connections open and finds them by address, which the real hosts have as well.
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.fleet.folder / "ssh"),
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }

    @property
    def _variables(self) -> Path:
        return self.clone.logs / "variables.yml"


def _without_recap(text: str) -> str:
    """What was said before the times and the hosts' counts."""
    return text.partition("\nSeconds by role")[0]


def _near(file: Path) -> str:
    return os.path.relpath(file)
