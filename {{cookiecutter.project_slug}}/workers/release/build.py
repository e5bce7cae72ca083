"""Building: code, static files and packages become archives under `build/`."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from workers.release.archive import pack
from workers.release.commit import Commit
from workers.release.packages import COMPILE, Packages

LOCK: Final = "requirements/base.txt"
#: Collects as production serves them: names with a hash, compressed. Its storage needs none of production's secrets.
_COLLECT: Final = """\
import django
from django.conf import settings
settings.STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
django.setup()
from django.core.management import call_command
call_command("collectstatic", interactive=False, verbosity=0)
"""
_TEST: Final = {"ENVIRONMENT": "test", "DJANGO_SETTINGS_MODULE": "config.settings.test"}
#: What that process finds of the caller's environment.
_KEPT: Final = ("HOME", "LANG", "PATH", "TMPDIR")


class StaticFilesError(Exception):
    """The static files could not be collected; the message is Django's."""


@dataclass(frozen=True)
class Built:
    """A release as it lies on the controller."""

    id: str
    archive: str
    environment: str
    environment_archive: str
    new: bool

    def as_data(self) -> dict[str, str | bool]:
        """For programs; `compile` is what Python compiles with on hosts, for which nobody did it."""
        return {**asdict(self), "compile": " ".join(COMPILE)}


@dataclass(frozen=True)
class Builder:
    """Builds into `folder`, and says what it does."""

    folder: Path
    machine: str
    say: Callable[[str], None]

    def build(self, commit: Commit) -> Built:
        """What is there already is not built again: the same commit gives the same bytes."""
        release = self._archive("releases", commit.release)
        with tempfile.TemporaryDirectory(prefix="release-") as scratch:
            code = Path(scratch, "code")
            commit.extract(code)
            packages = Packages(code / LOCK, self.machine)
            name = packages.name
            environment = self._archive("environments", name)
            new = not (release.exists() and environment.exists())
            if not environment.exists():
                self.say(f"packages of {LOCK} for {self.machine}")
                packages.build(environment, _made(Path(scratch, "packages")))
            if not release.exists():
                self.say(f"code of {commit.name[:12]}, with its static files")
                _build_code(code, commit.time, release)
        return Built(commit.release, str(release), name, str(environment), new)

    def _archive(self, kind: str, name: str) -> Path:
        folder = self.folder / kind
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.tar.gz"


def _build_code(code: Path, time: int, archive: Path) -> None:
    _collect(code)
    pack(code, archive, time)


def _collect(code: Path) -> None:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    own = {"DATABASE_URL": f"sqlite:///{code.parent}/none", "PYTHONDONTWRITEBYTECODE": "1", **_TEST}
    command = [sys.executable, "-c", _COLLECT]
    done = subprocess.run(command, cwd=code, env=kept | own, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise StaticFilesError(f"collectstatic: {done.stderr.strip()}")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
