"""A TCP connection for tests: `connection.py ADDRESS PORT [PATIENCE]` runs in a fleet's network and does what it reads.

Standard library only, it also runs inside hosts. Answers are one word a line: `connected`, `refused` or `timeout`
first; then for each line read: `send` -> `echoed`, `silent` or `ended`; `listen` -> `silent` or `ended`.
"""

import socket
import sys

#: Seconds without an answer that count as silence: a hundred times what an answer on this machine takes.
SILENCE = 1.0


def main(address: str, port: str, patience: str = str(SILENCE)) -> None:
    """Connect, then obey."""
    try:
        connection = socket.create_connection((address, int(port)), float(patience))
        connection.settimeout(SILENCE)
    except ConnectionRefusedError:
        print("refused", flush=True)  # noqa: T201 - its output is read by the test
        return
    except TimeoutError:
        print("timeout", flush=True)  # noqa: T201
        return
    except OSError as error:
        print(error.strerror, flush=True)  # noqa: T201
        return
    print("connected", flush=True)  # noqa: T201
    for line in sys.stdin:
        print(answer(connection, line.strip()), flush=True)  # noqa: T201


def answer(connection: socket.socket, order: str) -> str:
    """What the other side does within SILENCE seconds."""
    try:
        if order == "send":
            connection.sendall(b"x")
        return "echoed" if connection.recv(100) else "ended"
    except TimeoutError:
        return "silent"
    except ConnectionError:
        return "ended"


if __name__ == "__main__":
    main(*sys.argv[1:])
