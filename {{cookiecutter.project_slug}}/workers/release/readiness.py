"""Whether the web of this host is ready, asked as its proxy would: through the socket that systemd holds."""

import http.client
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Seconds for one answer: above what the page itself gives its components.
ANSWER: Final = 10.0
#: Seconds between two questions.
PAUSE: Final = 0.5
_READY: Final = 200


class NotReadyError(Exception):
    """The web does not say that it is ready; the message is what it says."""


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER)
        self.sock.connect(str(self._path))


@dataclass(frozen=True)
class Web:
    """The web behind `path`."""

    path: Path
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def wait_ready(self, patience: float) -> None:
        """Return when it is ready; raises NotReadyError with its last answer after `patience` seconds."""
        deadline = self.clock() + patience
        while answer := self._unready():
            if self.clock() > deadline:
                raise NotReadyError(f"/readyz: {answer}")
            self.pause(PAUSE)

    def _unready(self) -> str:
        """What is missing; empty when it is ready."""
        connection = _Connection(self.path)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return "" if answer.status == _READY else f"{answer.status}, {_missing(answer.read())}"
        except OSError as error:
            return f"no answer ({error.strerror or type(error).__name__})"
        except http.client.HTTPException as error:
            return f"no answer ({type(error).__name__})"
        finally:
            connection.close()


def _missing(body: bytes) -> str:
    """`database: failed`; else the beginning of what came."""
    try:
        components = json.loads(body)["components"].items()
        return ", ".join(f"{name}: {found['status']}" for name, found in components if found["status"] != "ok")
    except (ValueError, LookupError, TypeError, AttributeError):
        return body[:80].decode(errors="replace")
