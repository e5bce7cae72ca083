"""Ties the life of a child process to its parent's."""

import ctypes
import signal
import sys
from typing import Final

#: prctl(2): "send this signal to me when my parent dies".
PR_SET_PDEATHSIG: Final = 1


def die_with_parent() -> None:
    """Runs in a new child: when its parent is killed outright, it goes, too. Linux only; elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
