"""What is written down while tasks flow: one line of JSON for each thing that happens to one of them.

Producers write on this machine, workers on their own hosts: each line is handed to the kernel at once and as a whole,
so it survives the death of the process. It also survives our kind of power loss, where a host's processes and packets
vanish and its page cache does not: a line counts what was done, not what a disk has kept. Times are of one clock: all
hosts are this machine's. The probe on the hosts imports this, too: standard library only.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

#: The environment variable that names the file.
VARIABLE: Final = "DELIVERY_LEDGER"

#: Of a sender: `tried`, then `accepted` (by the broker, confirmed) or `refused`; `got` or `missed` a result it asked
#: for. Of a worker: `ready`; `began`, `step` and `done` of a task.
What = Literal["tried", "accepted", "refused", "got", "missed", "ready", "began", "step", "done"]


@dataclass(frozen=True)
class Entry:
    """One line. `took`: seconds the sender waited; `number`: which step; `why`: the error."""

    at: float
    what: What
    kind: str
    id: str
    by: str
    took: float = 0.0
    number: int = 0
    why: str = ""


def write(what: What, kind: str, identifier: str, **more: Any) -> None:  # noqa: ANN401 - the other fields of Entry
    """Write a line; nothing that happens to this process afterwards takes it back."""
    entry = Entry(time.time(), what, kind, identifier, **{"by": os.uname().nodename, **more})
    os.write(_file(os.getpid()), f"{json.dumps(asdict(entry))}\n".encode())


@cache
def _file(_pid: int) -> int:
    path = Path(os.environ[VARIABLE])
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


@dataclass
class Reader:
    """Reads a file that others write to: each call gives what is new since the last, whole lines only."""

    file: Path
    offset: int = 0

    def skip(self) -> None:
        """Leave out what is there already."""
        self.offset = self.file.stat().st_size if self.file.exists() else 0

    def new(self) -> Iterator[Entry]:
        """The lines since the last call."""
        if not self.file.exists():
            return
        with self.file.open("rb") as stream:
            stream.seek(self.offset)
            text = stream.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.offset += len(whole)
        for line in whole.splitlines():
            yield Entry(**json.loads(line))
