"""What observers write down: one line of JSON for each success or failure.

Times are CLOCK_MONOTONIC, which all processes of a machine share, whatever network they live in. The generated project
imports this, too: standard library only.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Literal

#: The environment variables that tell an observer who it is and where to write.
FILE_VARIABLE = "STALLS_EVENTS"
NAME_VARIABLE = "STALLS_OBSERVER"

#: `up`: the program is loaded, and has not talked to a broker yet.
What = Literal["up", "sent", "failed", "run"]
#: Sent to be run at once, to be run at a time, and for a worker that is started during the fault.
Kind = Literal["now", "eta", "side"]


@dataclass(frozen=True)
class Event:
    """Something that an observer saw; `due` is when a task was to start, `why` the reason of a failure."""

    at: float
    by: str
    what: What
    kind: Kind
    id: str
    due: float
    why: str = ""


def record(what: What, kind: Kind = "now", identifier: str = "", due: float = 0.0, why: str = "") -> None:
    """Write an event of this process; whole lines, also from several processes to one file."""
    event = Event(time.monotonic(), os.environ[NAME_VARIABLE], what, kind, identifier, due, why)
    os.write(_file(os.getpid()), f"{json.dumps(asdict(event))}\n".encode())


@cache
def _file(_pid: int) -> int:
    return os.open(os.environ[FILE_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def read(file: Path) -> list[Event]:
    """All events so far, by time; a line that is just being written is left for the next call."""
    return sorted(_whole_lines(file), key=lambda event: event.at)


def _whole_lines(file: Path) -> Iterator[Event]:
    if not file.exists():
        return
    text = file.read_text(encoding="utf-8")
    for line in text[: text.rfind("\n") + 1].splitlines():
        yield Event(**json.loads(line))
