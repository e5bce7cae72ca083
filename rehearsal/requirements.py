"""What this machine has to have, checked before anything is made."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

from rehearsal.build import KEYRING
from rehearsal.errors import MissingError
from rehearsal.paths import CACHE, STATE, cgroups
from rehearsal.shell import call
from rehearsal.watch import Watch

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

#: inotify instances of a host: counted, 99 of eleven that did all of a project's work.
INSTANCES: Final = 9
#: How many a user may have; all hosts' systemd is root's.
INSTANCES_LIMIT: Final = Path("/proc/sys/fs/inotify/max_user_instances")
#: Seconds for apt-get, with a slow mirror.
_APT_TIMEOUT: Final = 600
#: What the kernel knows how to mount.
FILESYSTEMS: Final = Path("/proc/filesystems")


def require() -> None:
    """Raise MissingError with everything that is missing and how to get it."""
    # Where Debian has administrators' programs; whoever became root by a plain `su` has only a user's PATH.
    os.environ["PATH"] = os.pathsep.join(dict.fromkeys([*os.environ["PATH"].split(os.pathsep), "/usr/sbin", "/sbin"]))
    if missing := what_is_missing():
        raise MissingError(missing)


def what_is_missing() -> list[str]:
    """A sentence for each thing that hosts cannot be made without."""
    found = []
    if os.geteuid() != 0:
        found.append("root is needed, to mount and to make network namespaces; run the same with sudo")
    if missing := _missing_files():
        packages = " ".join(sorted(set(missing.values())))
        found.append(f"missing: {', '.join(missing)}; apt-get install {packages}")
    if not (cgroups() / "cgroup.procs").exists():
        found.append("control groups of version 2 are not mounted; mount -t cgroup2 cgroup2 /sys/fs/cgroup")
    for variable, folder in (("REHEARSAL_CACHE", CACHE), ("REHEARSAL_STATE", STATE)):
        if _filesystem(folder) == "overlay":
            found.append(f"{folder} lies on an overlay, as in a container; name a folder on a disk: {variable}=/folder")
    if not _has_overlay():
        found.append("the kernel has no overlayfs; take one that has the module overlay")
    return found


def require_room(hosts: int) -> None:
    """Raise MissingError where so many hosts more would find the kernel's limits: their systemd would fail units."""
    limit = int(INSTANCES_LIMIT.read_text(encoding="ascii"))
    if (needed := _instances() + INSTANCES * hosts) > limit:
        name = ".".join(INSTANCES_LIMIT.parts[-3:])
        raise MissingError(
            [f"{hosts} hosts make it {needed} inotify instances, {limit} are allowed; sysctl {name}={2 * needed}"]
        )


def install_missing(watch: Watch) -> None:
    """Install the packages that `require` would name with apt-get; nothing where none is missing or without root."""
    packages = sorted(set(_missing_files().values()))
    if not packages or os.geteuid() != 0:
        return
    with watch(f"apt-get install {' '.join(packages)}"):
        call("apt-get", "update", "--quiet", timeout=_APT_TIMEOUT)
        quiet = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--no-install-recommends")
        call(*quiet, *packages, timeout=_APT_TIMEOUT)


def _missing_files() -> dict[str, str]:
    """Missing program or file -> the package it comes in."""
    missing = {program: package for program, package in PROGRAMS.items() if shutil.which(program) is None}
    if not KEYRING.exists():
        missing[str(KEYRING)] = "debian-archive-keyring"
    return missing


def instances(process: Path) -> int:
    """How many inotify instances a process of root's has, by its folder in /proc; of others none count."""
    with suppress(OSError):  # it has ended
        if process.stat().st_uid == 0:
            return sum(_target(link) == "anon_inode:inotify" for link in list((process / "fd").iterdir()))
    return 0


def _instances() -> int:
    return sum(map(instances, Path("/proc").glob("[0-9]*")))


def _target(link: Path) -> str:
    with suppress(OSError):  # it was closed
        return str(link.readlink())
    return ""


def _filesystem(folder: Path) -> str:
    """The type of what is mounted where `folder` is, or will be."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    around = {folder, *folder.parents}
    _, kind = max((len(target), kind) for _, target, kind, *_ in mounts if Path(target) in around)
    return kind


def _has_overlay() -> bool:
    """Whether the kernel has overlayfs, if need be after it has loaded the module."""
    if "overlay" not in FILESYSTEMS.read_text(encoding="ascii") and shutil.which("modprobe"):
        subprocess.run(["modprobe", "--quiet", "overlay"], check=False, timeout=30)
    return "overlay" in FILESYSTEMS.read_text(encoding="ascii")
