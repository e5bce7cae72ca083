"""The project that is rehearsed: a clone, so that nothing of it touches the owner's files, releases or secrets."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import yaml

from rehearsal.errors import RehearsalError
from rehearsal.shell import call

#: In the project: clones, logs and what releases are built of; git ignores it.
FOLDER: Final = ".local/rehearsal"
#: Secrets of the real hosts stay where they are: this machine's root can look into every rehearsed one.
SECRETS: Final = ("vault.yml", ".vault-password")
#: As an owner whom git may not know, and who may have become root meanwhile.
GIT: Final = ("git", "-c", "safe.directory=*", "-c", "user.name=rehearsal", "-c", "user.email=rehearsal@localhost")


@dataclass(frozen=True)
class Clone:
    """The clone at `root`, of the project at `owner`, for one of its environments."""

    root: Path
    owner: Path
    environment: str

    @classmethod
    def make(cls, owner: Path, environment: str) -> Self:
        """Clone what is committed, with the environment's files as they are now; in place of an earlier clone."""
        if not (owner / "environments" / environment / "inventory.yml").is_file():
            raise RehearsalError(f"no environments/{environment}/inventory.yml here; call it in the project's folder")
        made = cls(owner / FOLDER / environment / "project", owner, environment)
        shutil.rmtree(made.root, ignore_errors=True)
        made.root.parent.mkdir(parents=True, exist_ok=True)
        call(*GIT, "clone", "--quiet", "--no-hardlinks", owner, made.root, timeout=300)
        folder = made.folder
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(owner / "environments" / environment, folder, ignore=shutil.ignore_patterns(*SECRETS))
        made._borrow()
        made.commit("The environment that is rehearsed")
        return made

    @property
    def folder(self) -> Path:
        """The environment's own."""
        return self.root / "environments" / self.environment

    @property
    def logs(self) -> Path:
        """Where the output of each playbook is kept."""
        return self.owner / FOLDER / self.environment

    @property
    def ansible(self) -> Path:
        """Where Ansible's programs are."""
        return self.root / ".local/ansible/bin"

    def commit(self, message: str) -> None:
        """Commit whatever has changed, if anything: a release is made of a commit."""
        call(*GIT, "-C", self.root, "add", "--all", timeout=60)
        call(*GIT, "-C", self.root, "commit", "--quiet", "--allow-empty", "--no-verify", "--message", message)

    def build(self) -> None:
        """Build the release of what is committed, here: nothing can be fetched in the fleet's network."""
        python = self.root / ".venv/bin/python"
        call("env", f"--chdir={self.root}", python, "-m", "workers", "release", "build", timeout=900)

    def variables(self) -> dict[str, Any]:
        """What the owner sets for the whole environment."""
        file = self.folder / "group_vars/all/main.yml"
        found: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        return found

    def make_secrets(self, *options: str) -> dict[str, Any]:
        """Secrets of this rehearsal's own, as `make secrets` makes them."""
        call(self.ansible / "python", self.root / "ansible/vault.py", self.folder, *options, timeout=120)
        return self.secrets()

    def secrets(self) -> dict[str, Any]:
        """What the environment's vault holds now."""
        password, file = self.folder / ".vault-password", self.folder / "group_vars/all/vault.yml"
        text = call(self.ansible / "ansible-vault", "view", f"--vault-password-file={password}", file, timeout=60)
        secrets: dict[str, Any] = yaml.safe_load(text)["vault"]
        return secrets

    def give_back(self) -> None:
        """Remove the clone; what is left belongs to whoever called sudo."""
        shutil.rmtree(self.root, ignore_errors=True)
        if owner := os.environ.get("SUDO_UID"):
            call("chown", "--recursive", owner, self.owner / FOLDER)

    def _borrow(self) -> None:
        """Environments of Python and what releases are built of: made once, and not part of any commit."""
        (self.owner / FOLDER / "build").mkdir(exist_ok=True)
        for link, target in {
            ".venv": self.owner / ".venv",
            ".local/ansible": self.owner / ".local/ansible",
            "build": self.owner / FOLDER / "build",
        }.items():
            (self.root / link).parent.mkdir(exist_ok=True)
            (self.root / link).symlink_to(target)
        with (self.root / ".git/info/exclude").open("a", encoding="utf-8") as excluded:
            excluded.write("/.venv\n/.local\n/build\n")
