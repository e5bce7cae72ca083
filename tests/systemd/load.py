"""Tasks for workers that are drained, replaced and restarted, and what became of each of them."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from yaml import safe_load

from tests.delivery import ledger
from tests.systemd.ground import Ground
from tests.systemd.project import SIZES
from tests.waiting import until

#: Seconds in which at least one of what was accepted is done, unless all is.
DRAIN: Final = 60
#: Seconds of the hard limit of each group that has one; a long task takes almost as long.
LIMITS: Final = {
    name: sizes["time_limit"] for name, sizes in safe_load(SIZES)["groups"].items() if "time_limit" in sizes
}
ALMOST: Final = 1.0
#: Seconds that a short task takes.
SHORT: Final = 0.1


@dataclass
class Load:
    """What a sender in the fleet's network has sent, and what workers wrote down."""

    process: subprocess.Popen[str]
    token: str
    readers: Sequence[ledger.Reader]
    entries: list[ledger.Entry] = field(default_factory=list)

    def long(self, group: str, count: int, seconds: float = 0) -> None:
        """Send tasks as long as the group's hard limit, or `seconds`; returns when they run."""
        already = len(self.ids("began", "long"))
        self._tell(group, count, seconds or LIMITS[group] - ALMOST)
        until(lambda: len(self.ids("began", "long")) >= already + count, "the long tasks' beginning", 60)

    def flow(self, *groups: str) -> None:
        """Send short ones to these groups from now on, five a second each; returns when each has run one."""
        for group in groups:
            self._tell(group, 0, SHORT)
        until(lambda: {f"note.{group}" for group in groups} <= {entry.kind for entry in self.look()}, "short tasks")

    def hush(self) -> None:
        """Send no more; returns when only long ones are open."""
        self._close()
        until(lambda: not [name for name in self.open() if "short" in name], "the last short task", DRAIN)

    def settle(self, seconds: float) -> None:
        """Send no more, and wait until everything is done, or nothing has been done for that long."""
        self._close()
        before = len(self.open()) + 1
        while before > (left := len(self.open())) > 0:
            before = left
            with suppress(TimeoutError):
                until(lambda left=left: len(self.open()) < left, "one more to be done", seconds)  # type: ignore[misc]

    def end(self) -> None:
        """Send no more, and wait until everything is done; fails where something is lost, or done twice."""
        self.settle(DRAIN)
        odd = {*self.open(), *self.twice()}
        assert not odd, "\n".join(str(entry) for entry in self.entries if entry.id in odd)

    def look(self) -> list[ledger.Entry]:
        """Everything that is known."""
        new = [entry for reader in self.readers for entry in reader.new()]
        self.entries += [entry for entry in new if entry.id.startswith(f"{self.token}-")]
        return self.entries

    def ids(self, what: ledger.What, kind: str = "") -> set[str]:
        """The ids of what has come so far; `kind`: long or short."""
        return {entry.id for entry in self.look() if entry.what == what and kind in entry.id}

    def open(self) -> set[str]:
        """Accepted and not done."""
        return self.ids("accepted") - self.ids("done")

    def twice(self) -> list[str]:
        """Done more than once."""
        times = Counter(entry.id for entry in self.look() if entry.what == "done")
        return [name for name, count in times.items() if count > 1]

    def longest_pause(self, group: str, begin: float, end: float) -> float:
        """The longest time between two beginnings of the group's short tasks within that time."""
        moments = [entry.at for entry in self.look() if entry.what == "began" and entry.kind == f"note.{group}"]
        within = [begin, *sorted(moment for moment in moments if begin < moment < end), end]
        return max(later - earlier for earlier, later in pairwise(within))

    def _close(self) -> None:
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait(30)

    def _tell(self, *order: object) -> None:
        print(json.dumps(order), file=self.process.stdin, flush=True)


@contextmanager
def loaded(ground: Ground, folder: Path) -> Iterator[Load]:
    """A sender of the project's tasks, from here to the end of the block."""
    with sender(ground, folder, ("-m", "tests.systemd.send"), {}, [app.reader for app in ground.apps]) as made:
        yield made


@contextmanager
def sender(
    ground: Ground, folder: Path, program: Sequence[str], more: Mapping[str, str], readers: Sequence[ledger.Reader]
) -> Iterator[Load]:
    """A program in the fleet's network that sends as send.py does; what workers wrote down is new from here on."""
    file = folder / f"sent-{time.monotonic_ns()}.jsonl"
    variables = {**ground.controller.environment(ground.links), **more, ledger.VARIABLE: str(file)}
    token = f"load{time.time_ns() // 1_000_000}"
    for reader in readers:
        reader.skip()
    with subprocess.Popen(
        ground.controller.command(*program, token),
        cwd=ground.project.root,
        env=variables,
        stdin=subprocess.PIPE,
        text=True,
        stdout=sys.stderr,
    ) as process:
        try:
            yield Load(process, token, [ledger.Reader(file), *readers])
        finally:
            process.kill()
