"""What is installed on this host: its environment, its groups' workers and their units."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from workers.derive.unit_names import worker_unit
from workers.systemd.systemctl import Systemctl
from workers.topology import Loaded, Topology, load
from workers.topology.budgets import memory

#: What the units read; an operator's shell on the host has none of it.
ENVIRONMENT_FILE: Final = "/etc/{project}/environment"
#: Held while a group's workers are replaced; the kernel gives it up with its process.
LOCK_FILE: Final = "/run/lock/celery-{project}-{group}.replace"


class BusyError(Exception):
    """Somebody else does the same at this moment."""


def loaded_here() -> Loaded:
    """The topology as the units of this host have it: their environment, unless this shell names one.

    Raises PermissionError where that is not for this user: another environment's sizes would name other workers.
    """
    loaded = load()
    if "ENVIRONMENT" in os.environ:
        return loaded
    name = _environment(Path(ENVIRONMENT_FILE.format(project=loaded.topology.project)))
    return load(environment=name) if name else loaded


def running_units(systemctl: Systemctl, project: str, group: str) -> list[str]:
    """The units of the group's workers that run, also a spare, and one that workers.yml no longer has."""
    return systemctl.up(worker_unit(project, group), worker_unit(project, f"{group}-*"))


@contextmanager
def only_replacement(project: str, group: str) -> Iterator[None]:
    """Be the only one that replaces workers of the group: a second one would stop the first one's spare."""
    with Path(LOCK_FILE.format(project=project, group=group)).open("a", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"workers of {group} are being replaced already; nothing was touched") from None
        yield


def no_room(topology: Topology, group: str) -> str:
    """Why this host's memory holds no spare of the group beside what runs; empty where it does."""
    needed, free = memory(topology, topology.groups[group]), available_memory()
    return "" if needed <= free else f"a spare of {group} may take {needed} MiB and {free} are available"


def available_memory(file: Path = Path("/proc/meminfo")) -> int:
    """MiB that new processes can have without anything being pushed out."""
    found = re.search(r"(?m)^MemAvailable: +(\d+) kB$", file.read_text(encoding="ascii"))
    return int(found[1]) // 1024 if found else 0


def _environment(file: Path) -> str | None:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    found = re.search(r"""(?m)^ENVIRONMENT=["']?([a-z]+)["']?\s*$""", text)
    return found[1] if found else None
