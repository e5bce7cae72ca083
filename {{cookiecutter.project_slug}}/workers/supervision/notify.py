"""The line to systemd, sd_notify(3), without its library.

It is this process's alone. Its address is taken out of the environment, so that no child and nothing that a task starts
can talk on it, and a forked copy of this module is silent; the units' NotifyAccess=main would refuse them as well.
"""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from functools import cache
from typing import Final

#: Seconds to wait for a systemd that does not read: the worker has other things to do.
WITHIN: Final = 1.0
#: Characters of a status. Systemd ignores a message of more than 4096 bytes as a whole.
LONGEST_STATUS: Final = 500


class Systemd:
    """Whoever started this process and wants to hear of it, or nobody."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Take what systemd left there."""
        self._address = environment.pop("NOTIFY_SOCKET", "")
        self._pid = os.getpid()
        period, whose = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        is_ours = period.isdecimal() and whose in ("", str(self._pid))
        #: Seconds without a WATCHDOG=1 after which this process is killed; None: it need not be sent.
        self.watchdog = int(period) / 1e6 if is_ours else None

    @property
    def listens(self) -> bool:
        """Whether anybody hears."""
        return bool(self._address) and os.getpid() == self._pid

    def tell(self, *assignments: str) -> None:
        """Send `READY=1` and the like, all at once; one that cannot be sent is lost."""
        if not self.listens:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.settimeout(WITHIN)
            line.connect(address)
            line.send("\n".join(assignments).encode())


def status(text: str) -> str:
    """What `systemctl status` shows as "Status", on one line."""
    return f"STATUS={' '.join(text.split())[:LONGEST_STATUS]}"


@cache
def systemd() -> Systemd:
    """This process's."""
    return Systemd(os.environ)
