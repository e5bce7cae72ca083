"""Tries ways: `python3 probe.py WAYS` prints which of [name, address, port] take a connection."""

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Final

#: Seconds: hosts of one machine answer within milliseconds, and who drops packets does not answer.
PATIENCE: Final = 1.5


def reached(way: tuple[str, str, int]) -> tuple[str, bool]:
    """Whether somebody takes the connection."""
    name, address, port = way
    try:
        socket.create_connection((address, port), PATIENCE).close()
    except OSError:
        return f"{name}:{port}", False
    return f"{name}:{port}", True


if __name__ == "__main__":
    with ThreadPoolExecutor(50) as pool:
        print(json.dumps(dict(pool.map(reached, json.loads(sys.argv[1])))))  # noqa: T201 - read by the test
