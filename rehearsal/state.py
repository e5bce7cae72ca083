"""What is remembered of a fleet on disk, written before anything is made: a crash leaves nothing that is not listed.

Whether a host is on, a link cut or hosts parted is not remembered: the kernel knows.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Self

from rehearsal.errors import RehearsalError
from rehearsal.inventory import HostEntry
from rehearsal.paths import LOCKS, STATE


def folder_of(fleet: str) -> Path:
    """The folder of a fleet: the disks of its hosts, its keys."""
    return STATE / fleet


def memory_of(fleet: str) -> Path:
    """The file that remembers a fleet: there before anything else of it, and gone after all else."""
    return STATE / f"{fleet}.json"


def fleets() -> list[str]:
    """The names of all fleets that this machine remembers."""
    return sorted(file.stem for file in STATE.glob("*.json"))


@contextmanager
def locked(fleet: str) -> Iterator[None]:
    """Let one process at a time bring a fleet up or down."""
    LOCKS.mkdir(exist_ok=True)
    with (LOCKS / f"{fleet}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield


def refuse_mounts(folder: Path) -> None:
    """Raise RehearsalError where something is mounted below `folder` in this process's view: no fleet mounts there."""
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        target = Path(line.split()[4].encode().decode("unicode_escape"))
        if folder in target.parents:
            raise RehearsalError(f"{target} is mounted, not by this fleet; umount it, then: down once more")


@dataclass
class State:
    """The hosts of a fleet, and the network namespaces that were made for it: those names are all the machine's."""

    fleet: str
    hosts: tuple[HostEntry, ...] = ()
    made: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, fleet: str) -> Self | None:
        """What is remembered of `fleet`; None if nothing is."""
        file = memory_of(fleet)
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:
            raise RehearsalError(f"{file} is damaged; take the fleet down by hand: see README.md") from None
        hosts = tuple(
            HostEntry(each["name"], each["address"], tuple(each["groups"]), tuple(each["layers"]))
            for each in content["hosts"]
        )
        return cls(content["fleet"], hosts, content["made"])

    def save(self) -> None:
        """Write it, whole or not at all."""
        file = memory_of(self.fleet)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = file.with_suffix(".new")
        with new.open("w", encoding="utf-8") as stream:
            json.dump(asdict(self), stream, indent=1)
            stream.flush()
            # On disk before anything is made: a crash of the machine must not leave hosts that nobody remembers.
            os.fsync(stream.fileno())
        new.rename(file)
