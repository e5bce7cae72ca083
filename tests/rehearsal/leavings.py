"""What a fleet leaves on the machine: everything that bears its name, in the kernel and on disk."""

from pathlib import Path

from rehearsal.paths import NAMESPACES, cgroups
from rehearsal.state import folder_of
from tests.rehearsal.programs import output


def leavings(fleet: str) -> list[str]:
    """Namespaces, mounts in any process's view, control groups, processes, interfaces of this machine, folders."""

    def its(line: str) -> bool:
        return f"/{fleet}/" in line or f"rehearsal.{fleet}" in line

    found = [f"namespace {path.name}" for path in NAMESPACES.glob(f"rehearsal.{fleet}*")]
    found += {f"mount {line.split()[4]}" for line in filter(its, _mounts())}
    found += [f"control group {path.name}" for path in cgroups().glob(f"rehearsal.{fleet}*")]
    found += [f"process {pid}: {line}" for pid, line in _processes() if its(line)]
    found += [f"folder {path}" for path in folder_of(fleet).parent.glob(f"{fleet}*")]
    return sorted(found)


def interfaces() -> set[str]:
    """The machine's own, which no fleet may change."""
    return set(output("ip", "-brief", "link").splitlines())


def _mounts() -> set[str]:
    """Every mount that any process sees: hosts have theirs in namespaces of their own."""
    found: set[str] = set()
    for file in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            found |= set(file.read_text(encoding="utf-8", errors="replace").splitlines())
        except OSError:  # it has ended meanwhile
            continue
    return found


def _processes() -> list[tuple[str, str]]:
    """Every process: its command line and control group."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " ")
            if line:  # those without have ended, and wait for the machine's init to notice
                found.append((folder.name, line + (folder / "cgroup").read_text(encoding="utf-8")))
        except OSError:
            continue
    return found
