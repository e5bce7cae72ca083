"""Asks a web server on a unix socket without a pause, until standard input is closed, and prints what became of it.

Usage: python3 hammer.py SOCKET CLIENTS. Runs on the hosts: standard library only, Debian's Python.
"""

import json
import socket
import sys
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse
from threading import Event, Thread
from typing import Any, Final

#: Seconds a client waits for an answer: as long as a proxy does, and longer than a restart takes.
PATIENCE: Final = 60


class Client(HTTPConnection):
    """Speaks HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        """Name the socket; nothing is opened."""
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self) -> None:
        """Open the connection."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


def ask(path: str) -> HTTPResponse:
    """One request on a connection of its own, as a proxy without keep-alive sends it."""
    client = Client(path)
    client.request("GET", "/healthz", headers={"Connection": "close"})
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer


def hammer(path: str, over: Event, found: dict[str, Any]) -> None:
    """Ask until it is over."""
    while not over.is_set():
        began = time.monotonic()
        try:
            status = ask(path).status
        except (OSError, HTTPException) as error:
            found["failed"].append(f"{type(error).__name__}: {error}")
            time.sleep(0.01)
            continue
        found["answered"] += status == 200
        if status != 200:
            found["failed"].append(str(status))
        found["longest"] = max(found["longest"], time.monotonic() - began)


def main(path: str, clients: str) -> None:
    """Run the clients until standard input is closed."""
    over = Event()
    found: list[dict[str, Any]] = [{"answered": 0, "failed": [], "longest": 0.0} for _ in range(int(clients))]
    threads = [Thread(target=hammer, args=(path, over, each)) for each in found]
    for thread in threads:
        thread.start()
    print("started", flush=True)  # noqa: T201 - whoever started it waits for this
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()
    failed = [each for one in found for each in one["failed"]]
    longest = max(one["longest"] for one in found)
    answered = sum(one["answered"] for one in found)
    print(json.dumps({"answered": answered, "failed": failed, "longest": longest}))  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(*sys.argv[1:])
