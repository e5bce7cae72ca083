"""Where releases lie on a host, and which of them is the current one."""

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Of the folder that releases share: packages by the hash of their lock.
ENVIRONMENTS: Final = ".environments"


@dataclass(frozen=True)
class Home:
    """The folder of a project on a host: `releases/`, `current`, `previous`, `shared/`."""

    folder: Path

    @property
    def releases(self) -> Path:
        """The folder with one folder a release, named after it."""
        return self.folder / "releases"

    @property
    def current(self) -> str | None:
        """The release that units start; None before the first."""
        return self._pointed("current")

    @property
    def previous(self) -> str | None:
        """What was current before."""
        return self._pointed("previous")

    def names(self) -> list[str]:
        """All that are there, the oldest first."""
        found = self.releases.iterdir() if self.releases.is_dir() else ()
        return sorted(path.name for path in found if path.is_dir() and not path.name.startswith("."))

    def path(self, release: str) -> Path:
        """The folder of a release."""
        return self.releases / release

    def switch(self, release: str) -> None:
        """Make it the current one, in one step: whoever looks sees the one or the other."""
        before = self.current
        if before == release:
            return
        if before is not None:
            self._point("previous", before)
        self._point("current", release)

    def put_back(self, current: str, previous: str | None) -> None:
        """Let both links say what they said before a switch."""
        self._point("current", current)
        if previous is None:
            (self.folder / "previous").unlink(missing_ok=True)
        else:
            self._point("previous", previous)

    def prune(self, keep: int, used: Collection[str]) -> list[str]:
        """Remove all but the newest `keep`, those in use and both that links name; what was removed."""
        stay = {*self.names()[-keep:], *used, self.current, self.previous}
        gone = [name for name in self.names() if name not in stay]
        for name in gone:
            shutil.rmtree(self.path(name))
        needed = {(self.path(name) / ".venv").resolve() for name in self.names()}
        shared = self.releases / ENVIRONMENTS
        for folder in shared.iterdir() if shared.is_dir() else ():
            if folder.resolve() not in needed:
                shutil.rmtree(folder)
        return gone

    def _pointed(self, link: str) -> str | None:
        path = self.folder / link
        return path.readlink().name if path.is_symlink() else None

    def _point(self, link: str, release: str) -> None:
        new = self.folder / f".{link}.new"
        new.unlink(missing_ok=True)
        new.symlink_to(Path("releases", release))
        new.replace(self.folder / link)
