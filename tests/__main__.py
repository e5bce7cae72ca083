"""Runs the checks and each folder of tests as a stage of its own; names on the command line choose some.

All stages run, whatever fails before: one run tells everything. Exit status 1 if any failed.
"""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from time import monotonic
from typing import IO

from rich.console import Console
from rich.table import Table

from tests.stages import ROOT, rounds, stages

#: Under CI, also for tests of the projects made here: what was waited for in vain on a busy machine gets
#: a second chance, and is reported. What is wrong, lost or done twice gets none.
ONCE_MORE = "--reruns 1 --only-rerun '^[A-Za-z._]*NotInTimeError: ' -rR"


class Runner:
    """Runs stages and keeps how each ended."""

    def __init__(self, console: Console) -> None:
        """Write to `console`."""
        self.console = console
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self._known = stages()
        self._began: dict[str, float] = {}
        self._interrupted = False
        self._one_at_a_time = Lock()

    def run(self, lanes: list[list[str]]) -> None:
        """Lanes side by side, what a stage prints in one piece at its end; what a lane alone prints, at once."""
        if len(lanes) == 1:
            for name in lanes[0]:
                self.console.rule(name)
                self._stage(name)
            return
        with ThreadPoolExecutor(len(lanes)) as pool, self.console.status(self):
            try:
                list(pool.map(self._lane, lanes))
            except KeyboardInterrupt:
                self._interrupted = True  # the stages that run hear of it from the terminal
                raise

    def __rich__(self) -> str:
        """What runs, for as long as it does."""
        return ", ".join(f"{name} {monotonic() - began:.0f} s" for name, began in self._began.copy().items())

    def _lane(self, names: list[str]) -> None:
        for name in names:
            if self._interrupted:
                return
            with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
                self.console.print(f"{name} begins")
                self._stage(name, said)
                said.seek(0)
                with self._one_at_a_time:
                    self.console.rule(name)
                    self.console.out(said.read(), highlight=False)

    def _stage(self, name: str, said: IO[str] | None = None) -> None:
        """Run its commands, all of them, so that one failure does not hide another."""
        self._began[name] = began = monotonic()
        called = [
            subprocess.call([sys.executable, "-m", *command], cwd=ROOT, stdout=said, stderr=said)
            for command in self._known[name]
        ]
        del self._began[name]
        self.seconds[name] = monotonic() - began
        if any(called):
            self.failed.add(name)

    def table(self) -> Table:
        """The verdict on each stage."""
        table = Table("Stage", "Result", "Seconds", title="make test")
        table.columns[2].justify = "right"
        for name in self._known:
            if name in self.seconds:
                result = "[red]FAILED[/]" if name in self.failed else "[green]passed[/]"
                table.add_row(name, result, f"{self.seconds[name]:.1f}")
        return table


def main(chosen: list[str]) -> int:
    """Run the stages and print the table."""
    if os.environ.get("CI"):
        os.environ["PYTEST_ADDOPTS"] = ONCE_MORE
    console = Console(highlight=False)
    known = stages()
    if unknown := [name for name in chosen if name not in known]:
        console.print(f"No such stage: {', '.join(unknown)}. There are: {', '.join(known)}")
        return 2
    runner = Runner(console)
    for lanes in rounds(chosen or known):
        runner.run(lanes)
    console.print(runner.table())
    return int(bool(runner.failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
