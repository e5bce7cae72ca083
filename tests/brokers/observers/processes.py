"""Starts observers within the fleet's network, and leaves none behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.brokers.observers.events import FILE_VARIABLE, NAME_VARIABLE, Event, read

#: Seconds for a process to end.
GRACE: Final = 10
#: Also when the harness is killed: an observer that lives on would load the machine of whoever measures next.
_ENDS_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL")


@dataclass
class Observer:
    """A process and the moment before it was started."""

    process: subprocess.Popen[bytes]
    executed: float
    log: Path

    def says(self, text: str) -> bool:
        """Whether it has printed `text`."""
        return text in self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """End it and what it started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(GRACE)


@dataclass
class Observers:
    """The observers of one side (ours or stock) in one row: each has a log, all write to one file of events.

    A context: they are ended when it is left, whatever happens. `within` makes a command line one that runs within the
    fleet's network.
    """

    folder: Path
    cwd: Path
    within: Callable[..., list[str]]
    running: dict[str, Observer] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Make room for what they write."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.events.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them all."""
        for observer in self.running.values():
            observer.kill()

    @property
    def events(self) -> Path:
        """The file they write to."""
        return self.folder / "events.jsonl"

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Observer:
        """Start `command` as the observer `name`."""
        log = self.folder / f"{name}.log"
        variables = {**environment, FILE_VARIABLE: str(self.events), NAME_VARIABLE: name}
        with log.open("w") as output:
            executed = time.monotonic()
            process = subprocess.Popen(
                [*_ENDS_WITH_US, *self.within(*command)],
                cwd=self.cwd,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.running[name] = Observer(process, executed, log)
        return self.running[name]

    def seen(self) -> list[Event]:
        """All events so far."""
        return read(self.events)

    def tails(self) -> str:
        """The ends of all logs, for a report of what went wrong."""
        return "\n".join(
            f"----- {observer.log}\n{observer.log.read_text(errors='replace')[-1500:]}"
            for observer in self.running.values()
        )
