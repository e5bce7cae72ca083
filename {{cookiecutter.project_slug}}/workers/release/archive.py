"""Folders as archives whose bytes depend on nothing but what is in them."""

import gzip
import tarfile
from pathlib import Path
from typing import Final

#: Of gzip. Level 1 makes them an eighth larger in half the time, 9 saves a hundredth.
LEVEL: Final = 6


def pack(folder: Path, archive: Path, time: int) -> None:
    """Write `folder` as a tar.gz file, as a whole or not at all; everything in it is as old as `time`, and root's."""
    new = archive.with_name(f".{archive.name}.new")
    with (
        new.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=file, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in sorted(folder.rglob("*")):
            _add(tar, path, str(path.relative_to(folder)), time)
    new.replace(archive)


def _add(tar: tarfile.TarFile, path: Path, name: str, time: int) -> None:
    entry = tar.gettarinfo(path, name)
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mtime = time
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    if not entry.isreg():
        tar.addfile(entry)
        return
    with path.open("rb") as content:
        tar.addfile(entry, content)
