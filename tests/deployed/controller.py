"""The project's commands, run in the fleet's network as an operator would."""

import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rehearsal import Fleet
from tests.brokers.observers import project as observed
from tests.project.running import Project

#: Seconds for a command to end.
PATIENCE = 120


@dataclass(frozen=True)
class Controller:
    """Runs the project's Python within the fleet's network."""

    fleet: Fleet
    project: Project

    def command(self, *arguments: str) -> list[str]:
        """The command line of the project's Python with `arguments`."""
        return self.fleet.command(str(self.project.python), *arguments)

    def environment(self, links: Mapping[str, str]) -> dict[str, str]:
        """What a process finds there that reaches everything by `links`."""
        return observed.environment(self.project, {**links, "LOG_LEVEL": "ERROR"})

    def run(
        self, links: Mapping[str, str], *arguments: str, allowed: Collection[int] = (0,)
    ) -> subprocess.CompletedProcess[str]:
        """Run it to the end; fails with what it said where the exit code is not one of the `allowed`."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.project.root,
            env=self.environment(links),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode in allowed, done.stdout + done.stderr
        return done
