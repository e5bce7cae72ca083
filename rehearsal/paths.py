"""Where everything lies: layers are a cache of this machine's, hosts' disks its state."""

import os
from pathlib import Path
from typing import Final

#: This package; layers.yml and the shell scripts lie in it.
PACKAGE: Final = Path(__file__).resolve().parent
#: Built layers; may be deleted whenever no fleet is up.
CACHE: Final = Path(os.environ.get("REHEARSAL_CACHE", "/var/cache/rehearsal"))
#: One folder a fleet: its state, and the disks of its hosts. overlayfs has to accept it for its upper layers.
STATE: Final = Path(os.environ.get("REHEARSAL_STATE", "/var/lib/rehearsal"))
#: Where iproute2 keeps the network namespaces that have a name.
NAMESPACES: Final = Path("/run/netns")
#: Locks vanish with their processes; /run vanishes with a restart of the machine.
LOCKS: Final = Path("/run/rehearsal")

_MOUNTED: Final = Path("/sys/fs/cgroup")


def cgroups() -> Path:
    """The root of control groups, version 2: beside version 1 on a hybrid machine, alone on a newer one."""
    unified = _MOUNTED / "unified"
    return unified if (unified / "cgroup.procs").exists() else _MOUNTED
