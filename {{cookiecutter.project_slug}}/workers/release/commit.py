"""The commit that a release is made from."""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final, Self

#: Digits of the commit's hash in a release's name: enough to find it again in a repository of any size.
DIGITS: Final = 12
#: What no host needs: it is for whoever develops or rolls out.
LEFT_OUT: Final = frozenset({"ansible", "build", "docs", "rehearsal", "terraform", "tests"})
#: The one kind of file of `environments/` that a release reads: inventories and vaults stay with the operator.
SIZES: Final = "sizes.yml"


class NoCommitError(Exception):
    """There is nothing to make a release from; the message says what to do."""


@dataclass(frozen=True)
class Commit:
    """A commit of the repository that `root` belongs to."""

    root: Path
    name: str
    """Its whole hash."""
    time: int
    """Seconds since 1970."""

    @classmethod
    def find(cls, root: Path, wanted: str) -> Self:
        """By a hash, a branch, a tag, or the name of a release; raises NoCommitError."""
        name, _, time = _git(root, "log", "-1", "--format=%H %ct", wanted.rpartition("-")[2], "--").partition(" ")
        return cls(root, name, int(time))

    @property
    def release(self) -> str:
        """The release's name: names sort by the time of their commits."""
        moment = datetime.fromtimestamp(self.time, UTC)
        return f"{moment:%Y%m%dT%H%M%S}-{self.name[:DIGITS]}"

    def uncommitted(self) -> list[str]:
        """Files that differ from what is committed, or are new: they are not in any release."""
        return _git(self.root, "status", "--porcelain", "--", ".").splitlines()

    def extract(self, folder: Path) -> None:
        """Write the files that hosts need into `folder`."""
        packed = _run(self.root, "archive", "--format=tar", self.name)
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            # What is archived is the owner's own; Python 3.12 and later want to hear how far it is trusted.
            archive.extraction_filter = lambda member, _folder: member
            archive.extractall(folder, members=_needed(archive))  # noqa: S202


def _needed(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    return (member for member in archive if member.isfile() and is_needed(PurePosixPath(member.name)))


def is_needed(path: PurePosixPath) -> bool:
    """Whether a file of the repository belongs into a release."""
    top = path.parts[0]
    return top not in LEFT_OUT and not top.startswith(".") and (top != "environments" or path.name == SIZES)


def _git(root: Path, *arguments: str) -> str:
    return _run(root, *arguments).decode().strip()


def _run(root: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        raise NoCommitError("a release is made from a commit, and this machine has no git; install it") from None
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise NoCommitError(f"git {arguments[0]}: {said}; a release is made from a commit of {root}")
    return done.stdout
