"""A control group a host: what finds its processes, and what ends all of them at once."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rehearsal.errors import RehearsalError
from rehearsal.paths import cgroups

#: Seconds the kernel gets to end killed processes; it needs some 50 ms, more where a disk is slow.
TIMEOUT: Final = 30.0
_POLL: Final = 0.01


def fleet_cgroup(fleet: str) -> Path:
    """The group around all hosts of a fleet."""
    return cgroups() / f"rehearsal.{fleet}"


@dataclass(frozen=True)
class Cgroup:
    """The control group of one host."""

    path: Path

    def make(self) -> None:
        """Make it, empty; what an earlier life of the host left in it is taken away."""
        self.remove()
        self.path.mkdir(parents=True)

    def populated(self) -> bool:
        """Whether any process is in it or below."""
        try:
            return "populated 1" in (self.path / "cgroup.events").read_text(encoding="ascii")
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL to every process in it and below, at one moment; waits until they are gone."""
        with suppress(FileNotFoundError):
            (self.path / "cgroup.kill").write_text("1", encoding="ascii")
        self.wait_empty()

    def wait_empty(self) -> None:
        """Until no process is left in it; raises RehearsalError after TIMEOUT."""
        deadline = time.monotonic() + TIMEOUT
        while self.populated():
            if time.monotonic() > deadline:
                raise RehearsalError(f"{self.path}: there are still processes in it after {TIMEOUT:g} s")
            time.sleep(_POLL)

    def remove(self) -> None:
        """Take it and all below away; no process may be left in it."""
        # The deepest first: a group with others in it cannot be removed.
        for below in sorted((path for path in self.path.rglob("*") if path.is_dir()), reverse=True):
            below.rmdir()
        if self.path.exists():
            self.path.rmdir()

    def init(self) -> int | None:
        """The PID on this machine of the host's PID 1; None as long as there is none."""
        # nspawn keeps the host's groups under `payload`, systemd itself in `init.scope`, for a moment with its helpers.
        try:
            pids = (self.path / "payload" / "init.scope" / "cgroup.procs").read_text(encoding="ascii").split()
            return next((int(pid) for pid in pids if _is_init(pid)), None)
        except OSError:
            return None


def _is_init(pid: str) -> bool:
    try:
        status = Path("/proc", pid, "status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    # Its PIDs from the outermost namespace to the innermost.
    return any(line.split()[-1] == "1" for line in status.splitlines() if line.startswith("NSpid:"))
