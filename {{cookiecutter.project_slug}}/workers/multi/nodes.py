"""A node of `celery multi`: its pid file, and whether the process that it names is really this node."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

#: Where the kernel tells about processes; without it no pid file can be believed.
PROC: Final = Path("/proc")


class HiddenError(Exception):
    """A pid file's process exists and cannot be looked at: nobody can say whether it is the node."""


State = Literal["running", "gone", "stopped"]


@dataclass(frozen=True)
class Node:
    """A worker as a node; it writes its pid file once it is set up, and removes it when it leaves in order."""

    name: str
    pid_file: Path
    log: Path

    @property
    def pid(self) -> int | None:
        """What the pid file says; None where there is none, or no number in it."""
        try:
            return int(self.pid_file.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None

    @property
    def state(self) -> State:
        """`gone`: there is a pid file, and no such node. Its number may belong to somebody else by now."""
        pid = self.pid
        if pid and self._is(pid):
            return "running"
        if pid:
            self._refuse_hidden(pid)
        return "gone" if self.pid_file.exists() else "stopped"

    @property
    def since(self) -> datetime | None:
        """When it wrote its pid file."""
        try:
            return datetime.fromtimestamp(self.pid_file.stat().st_mtime).astimezone()
        except FileNotFoundError:
            return None

    @property
    def has_process(self) -> bool:
        """Whether any process is this node, with a pid file or not yet."""
        return any(self._is(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdigit())

    def runs_in(self, unit: str) -> bool:
        """Whether systemd counts its process to the unit."""
        pid = self.pid
        return bool(pid) and in_unit(unit, str(pid))

    def _is(self, pid: int) -> bool:
        """Its command line holds `batch-2@host`; that of a zombie is empty."""
        try:
            arguments = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return any(argument.startswith(f"{self.name}@".encode()) for argument in arguments)

    def _refuse_hidden(self, pid: int) -> None:
        """A sandbox hides processes (ProtectProc=, PrivateUsers=): they would be taken for dead, and left running."""
        if not (PROC / str(pid)).exists() and _exists(pid):
            raise HiddenError(f"{self.name}: process {pid} of {self.pid_file} is hidden from user {os.geteuid()} here")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def in_unit(unit: str, process: str = "self") -> bool:
    """Whether systemd counts a process, by default this one, to the unit."""
    try:
        lines = (PROC / process / "cgroup").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    return any(unit in line.rpartition(":")[2].split("/") for line in lines)


def unfit(folder: Path) -> str | None:
    """Why nodes cannot write into `folder`; makes it where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"{folder}: {error.strerror}"
    if os.access(folder, os.W_OK | os.X_OK):
        return None
    return f"{folder}: not writable for user {os.geteuid()}, and owned by {folder.stat().st_uid}"
