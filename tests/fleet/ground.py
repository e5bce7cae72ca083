"""Eleven hosts as production's inventory names them, bare, and the playbooks run against them."""

import json
import re
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from rehearsal import Fleet
from rehearsal.host import Host
from rehearsal.trial.clone import Clone
from rehearsal.trial.outside import standing_in
from rehearsal.trial.plays import Plays
from rehearsal.trial.trial import bare
from tests.fleet import project
from tests.fleet.project import ENVIRONMENT
from tests.template.rendering import ROOT

#: Playbooks that build a release.
BUILDING: Final = ("site", "deploy")
#: Seconds that a playbook may take.
PATIENCE: Final = 1200
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
        """Make the project; nothing runs yet."""
        self.folder = folder
        self.project = project.make(folder / "project")
        # No owner needs to be spared here: the project that is rolled out is the one that was generated.
        self.clone = Clone(self.project.root, self.project.root, ENVIRONMENT)
        self.environment = self.clone.folder
        self.fleet = Fleet(name, bare(self.environment / "inventory.yml"))
        self.ledger = folder / "charges.jsonl"
        self._stack = ExitStack()
        self._outside = ExitStack()

    def __enter__(self) -> Self:
        """Bring it up; what a run that was killed left of it is taken away first."""
        with ExitStack() as stack:
            self.fleet.down()
            stack.callback(self.fleet.down)
            self.fleet.up()
            self.clone.make_secrets()
            stack.callback(self._outside.close)
            self.stand_in()
            self._keep_packages()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it away."""
        self._stack.close()

    @property
    def vault(self) -> dict[str, Any]:
        """The secrets of the environment, as they are now."""
        return self.clone.secrets()

    def hosts(self, group: str) -> list[Host]:
        """The hosts of a group, in the inventory's order."""
        return [self.fleet[host.name] for host in self.fleet.inventory.hosts if group in host.groups]

    def stand_in(self) -> None:
        """Have a mail server and a payment provider, with certificates of the authority that the vault names now."""
        self._outside.close()
        outside = standing_in(self.fleet, self.project.root, self.vault["authority"], self.ledger)
        self._plays.prepare(self._outside.enter_context(outside))

    def reread(self) -> None:
        """Know the hosts that the inventory names now."""
        self.fleet = Fleet(self.fleet.name, bare(self.environment / "inventory.yml"))

    def charged(self) -> list[str]:
        """The card of every charge."""
        lines = self.ledger.read_text(encoding="utf-8").splitlines() if self.ledger.exists() else []
        return [json.loads(line)["card"] for line in lines]

    def play(self, playbook: str, *options: str) -> Played:
        """Run a playbook to its end, whatever that is."""
        return self._ended(playbook, self.playing(playbook, *options))

    def verify(self) -> Played:
        """Have the roles' own tests look at the hosts."""
        return self._ended("verify", self._plays.begin_verifying())

    def must(self, playbook: str, *options: str) -> Played:
        """Run a playbook that must succeed."""
        played = self.play(playbook, *options)
        assert played.code == 0, f"{playbook} ended with {played.code}:\n{played.text[-6000:]}"
        return played

    def playing(self, playbook: str, *options: str) -> subprocess.Popen[str]:
        """A playbook that has begun."""
        if playbook in BUILDING:
            self.clone.build()  # from within the fleet's network nobody reaches packages
        return self._plays.begin(playbook, *options)

    def _ended(self, name: str, process: subprocess.Popen[str]) -> Played:
        began = time.monotonic()
        with process:
            text, _ = process.communicate(timeout=PATIENCE)
        with (self.folder / f"{name}.log").open("a", encoding="utf-8") as log:
            log.write(text)
        return Played(process.returncode, text, time.monotonic() - began)

    @property
    def _plays(self) -> Plays:
        return Plays(self.fleet, self.clone, print)

    def _keep_packages(self) -> None:
        """What was built of the lock serves the next fleet, too."""
        kept = ROOT / "build/fleet-environments"
        kept.mkdir(parents=True, exist_ok=True)
        (self.project.root / "build").mkdir()
        (self.project.root / "build/environments").symlink_to(kept)
