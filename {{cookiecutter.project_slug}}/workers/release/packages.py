"""The Python environment of a release: its locked packages, for the Python that hosts have."""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.release.archive import pack

#: Of Debian 13, whose interpreter runs it: hosts need no other package of Python's.
PYTHON: Final = "3.13"
INTERPRETER: Final = "/usr/bin/python3"
#: The oldest system libraries that Debian 13 has, by machine.
PLATFORMS: Final = {"x86_64": "x86_64-manylinux_2_40", "aarch64": "aarch64-manylinux_2_40"}
#: Compiles as Python itself would, but so that a file is not looked at again: nobody writes there. Tests of packages
#: are imported by nobody, and some of them are no Python. No word of it needs quotes in a shell that expands no names.
COMPILE: Final = ("-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "-x", "/tests?/")
#: To be raised when what is made from the same lock becomes something else.
FORM: Final = 1
#: The age of all files: 1980, the oldest that wheels know. Nobody's clock is in them.
AGE: Final = 315_532_800
#: What `venv` writes, as far as Python reads it.
CONFIGURATION: Final = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n"


class PackagesError(Exception):
    """The packages could not be had, or not be compiled; the message is uv's or Python's."""


@dataclass(frozen=True)
class Packages:
    """What `lock` names, for a `machine`."""

    lock: Path
    machine: str

    @property
    def name(self) -> str:
        """Of the archive, and of the folder on hosts: the same lock for the same machine has one."""
        seed = f"{FORM} {PYTHON} {PLATFORMS[self.machine]} {INTERPRETER}\n".encode()
        return hashlib.sha256(seed + self.lock.read_bytes()).hexdigest()[:16]

    def build(self, archive: Path, scratch: Path) -> None:
        """Write the archive; `scratch` is an empty folder."""
        site = scratch / f"lib/python{PYTHON}/site-packages"
        _install(self.lock, PLATFORMS[self.machine], site)
        _strip(site)
        _compile(site)
        (scratch / "bin").mkdir()
        (scratch / "bin/python").symlink_to(INTERPRETER)
        (scratch / "pyvenv.cfg").write_text(CONFIGURATION, encoding="ascii")
        pack(scratch, archive, AGE)


def _install(lock: Path, platform: str, site: Path) -> None:
    where = ("--target", str(site), "--python-version", PYTHON, "--python-platform", platform)
    exact = ("--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", str(lock))
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    command = [_uv(), "pip", "install", "--quiet", "--python", sys.executable, *where, *exact]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise PackagesError(f"uv pip install -r {lock.name}: {done.stderr.strip()}")


def _uv() -> str:
    """Beside this Python, as requirements/local.txt locks it, or else the machine's."""
    own = Path(sys.executable).with_name("uv")
    found = str(own) if own.exists() else shutil.which("uv")
    if found is None:
        raise PackagesError("uv is missing: it is in requirements/local.txt; `make install`")
    return found


def _compile(site: Path) -> None:
    """Where this machine has the Python that hosts have: it takes half a minute, once and not on each host."""
    if interpreter := _interpreter():
        done = _python(interpreter, *COMPILE, ".", folder=site)
        if done.returncode:
            raise PackagesError(f"{interpreter} {' '.join(COMPILE)}: {done.stdout}{done.stderr}")


def _interpreter() -> str | None:
    """A Python of the hosts' version, if one is at hand."""
    found = shutil.which(f"python{PYTHON}")
    return found if found and _python(found, "-c", "").returncode == 0 else None


def _python(interpreter: str, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    # pyenv has a command for each version it knows, and runs it where that version is chosen.
    environment = {**os.environ, "PYENV_VERSION": PYTHON}
    command = [interpreter, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603


def _strip(site: Path) -> None:
    """Take out what differs from machine to machine: commands, which name the Python that installed them.

    Units call modules, so nobody misses them.
    """
    shutil.rmtree(site / "bin", ignore_errors=True)
    (site / ".lock").unlink(missing_ok=True)
    for record in site.glob("*.dist-info/RECORD"):
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        record.write_text("".join(sorted(line for line in lines if not line.startswith("bin/"))), encoding="utf-8")
