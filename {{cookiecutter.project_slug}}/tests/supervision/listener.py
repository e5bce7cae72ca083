"""What a process tells systemd, heard on a real notification socket."""

import socket
import struct
import time
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Self


@dataclass(frozen=True)
class Said:
    """One message."""

    at: float
    pid: int
    lines: tuple[str, ...]


@dataclass
class Listener:
    """Listens at an address, a path or "@name", while a block runs."""

    address: str
    heard: list[Said] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Begin."""
        self._end = Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.settimeout(0.1)
        self._socket.bind(f"\0{self.address[1:]}" if self.address.startswith("@") else self.address)
        self._thread = Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._end.set()
        self._thread.join()
        self._socket.close()

    def times(self, line: str) -> list[float]:
        """When it was said."""
        return [said.at for said in self.heard if line in said.lines]

    @property
    def statuses(self) -> list[str]:
        """What `systemctl status` showed one after the other."""
        lines = [line for said in self.heard for line in said.lines]
        return [line.removeprefix("STATUS=") for line in lines if line.startswith("STATUS=")]

    @property
    def status(self) -> str:
        """What it shows now."""
        return (self.statuses or [""])[-1]

    def silence(self) -> float:
        """Seconds since the last sign of life."""
        return time.monotonic() - max(self.times("READY=1") + self.times("WATCHDOG=1"))

    def _listen(self) -> None:
        while not self._end.is_set():
            try:
                data, extra, _, _ = self._socket.recvmsg(8192, socket.CMSG_SPACE(12))
            except TimeoutError:
                continue
            pid = struct.unpack("iII", extra[0][2])[0]
            self.heard.append(Said(time.monotonic(), pid, tuple(data.decode().split("\n"))))
