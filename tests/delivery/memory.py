"""A memory limit that the kernel keeps, for the processes of a unit on a rehearsed host.

Hosts cannot limit memory themselves where the machine's memory controller is one of cgroup version 1: it is not theirs.
So the limit is set from outside, on this machine, over the processes that the host's systemd counts to the unit.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rehearsal.errors import RehearsalError
from rehearsal.host import Host

CONTROLLER: Final = Path("/sys/fs/cgroup/memory")


@dataclass(frozen=True)
class Limit:
    """What a worker's unit may take from now on, beside what it has: MiB."""

    host: Host
    unit: str
    mebibytes: int

    def set(self) -> None:
        """Begin to limit; raises RehearsalError on a machine without that controller."""
        if not (CONTROLLER / "memory.limit_in_bytes").exists():
            raise RehearsalError(
                f"{CONTROLLER} is no memory controller of cgroup version 1, so hosts' memory cannot be limited; "
                "boot this machine with systemd.unified_cgroup_hierarchy=0, or leave these cells out"
            )
        self._own.mkdir(exist_ok=True)
        self._write("memory.limit_in_bytes", str(self.mebibytes * 1024 * 1024))
        self._move(self._own)

    def lift(self) -> None:
        """End it."""
        self._move(CONTROLLER)
        self._own.rmdir()

    @property
    def killed(self) -> int:
        """How many processes the kernel has ended for it."""
        lines = (self._own / "memory.oom_control").read_text(encoding="ascii").split()
        return int(lines[lines.index("oom_kill") + 1])

    @property
    def _own(self) -> Path:
        return CONTROLLER / f"rehearsal.{self.host.network.fleet}.{self.host.name}.{self.unit}"

    def _move(self, target: Path) -> None:
        """Put all processes of the unit under `target`; what they start meanwhile is found in the next round."""
        shown = self.host.run("systemctl", "show", "--value", "--property=ControlGroup", self.unit)
        group = self.host.cgroup.path / "payload" / shown.stdout.strip().lstrip("/")
        moved: set[str] = set()
        while left := set((group / "cgroup.procs").read_text(encoding="ascii").split()) - moved:
            for pid in left:
                _attach(pid, target)
            moved |= left

    def _write(self, name: str, text: str) -> None:
        (self._own / name).write_text(text, encoding="ascii")


def _attach(pid: str, target: Path) -> None:
    try:
        (target / "cgroup.procs").write_text(pid, encoding="ascii")
    except ProcessLookupError:
        return  # it has just ended
