"""Looks for secrets where others can read them: `python3 leaks.py SECRETS` prints a line a find. Standard library only.

Looked at: command lines and, as an ordinary user sees them, environments of processes; the journal; every file that
anybody may read. What is printed names the place and never the secret.
"""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PLACES: Final = ("/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var")  # noqa: S108 - read only
#: What no person wrote: packages and the system's own data bases.
NOT_LOOKED_AT: Final = ("/var/cache/apt", "/var/lib/apt", "/var/lib/dpkg", "/run/log", "/var/log/journal")
#: Bytes of a file that are read.
MOST: Final = 2_000_000


def processes() -> Iterator[tuple[str, bytes]]:
    """The command line of each."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield f"command line of process {folder.name}", (folder / "cmdline").read_bytes()
        except OSError:
            continue


def journal() -> Iterator[tuple[str, bytes]]:
    """All that was logged."""
    for line in subprocess.run(["journalctl", "--no-pager"], capture_output=True, check=False).stdout.splitlines():
        yield f"journal: {line[:60].decode(errors='replace')}", line


def units() -> Iterator[tuple[str, bytes]]:
    """What systemd tells everybody."""
    yield "systemctl show", subprocess.run(["systemctl", "show", "*"], capture_output=True, check=False).stdout


def files() -> Iterator[tuple[str, bytes]]:
    """What anybody may read, through folders that anybody may enter."""
    for place in PLACES:
        for folder, folders, names in os.walk(place):
            folders[:] = [name for name in folders if _may_enter(Path(folder, name))]
            for path in (Path(folder, name) for name in names):
                found = path.lstat()
                if stat.S_ISREG(found.st_mode) and found.st_mode & stat.S_IROTH and found.st_size <= MOST:
                    yield str(path), path.read_bytes()


def _may_enter(path: Path) -> bool:
    mode = path.lstat().st_mode
    return stat.S_ISDIR(mode) and bool(mode & stat.S_IXOTH) and not str(path).startswith(NOT_LOOKED_AT)


def main(file: str) -> None:
    """Look everywhere."""
    secrets = [secret.encode() for secret in json.loads(Path(file).read_text(encoding="utf-8"))]
    for looks in (processes, journal, units, files):
        for place, content in looks():
            if any(secret in content for secret in secrets):
                print(place)  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(sys.argv[1])
