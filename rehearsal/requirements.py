"""What this machine has to have, checked before anything is made."""

import os
import shutil
from pathlib import Path
from typing import Final

from rehearsal.build import KEYRING
from rehearsal.errors import MissingError
from rehearsal.paths import cgroups

#: Program -> the Debian and Ubuntu package it comes in.
PROGRAMS: Final = {
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "ssh-keygen": "openssh-client",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setsid": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
}


def require() -> None:
    """Raise MissingError with everything that is missing and how to get it."""
    if missing := what_is_missing():
        raise MissingError(missing)


def what_is_missing() -> list[str]:
    """A sentence for each thing that hosts cannot be made without."""
    found = []
    if os.geteuid() != 0:
        found.append("root is needed, to mount and to make network namespaces; run the same with sudo")
    programs = [program for program in PROGRAMS if shutil.which(program, path=_path()) is None]
    packages = {PROGRAMS[program] for program in programs}
    if not KEYRING.exists():
        programs.append(str(KEYRING))
        packages.add("debian-archive-keyring")
    if packages:
        found.append(f"missing: {', '.join(programs)}; apt-get install {' '.join(sorted(packages))}")
    if not (cgroups() / "cgroup.procs").exists():
        found.append("control groups of version 2 are not mounted; mount -t cgroup2 cgroup2 /sys/fs/cgroup")
    if "overlay" not in Path("/proc/filesystems").read_text(encoding="ascii"):
        found.append("the kernel has no overlayfs; modprobe overlay")
    return found


def _path() -> str:
    """The user's PATH, and where administrators' programs are; a user's PATH on Debian leaves them out."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
