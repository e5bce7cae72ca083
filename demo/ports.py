"""The ports a local run listens on: looked at before anything else is done."""

import os
import re
import socket
from contextlib import suppress
from pathlib import Path

import psutil

from demo.steps import StepFailedError

# The lowest and the highest port an ordinary user may listen on.
LOWEST, HIGHEST = 1024, 65535
# As `.env.example` has them; each can be chosen: make demo WEB_PORT=8001
DEFAULTS = {"WEB_PORT": 8000, "FLOWER_PORT": 5555, "REDIS_PORT": 6399}


def chosen() -> dict[str, int]:
    """The ports of this run; refuses what is no port, and what another process has taken."""
    ports = {name: parse(name, os.environ.get(name) or str(default)) for name, default in DEFAULTS.items()}
    taken = {name: port for name, port in ports.items() if not is_free(port)}
    if taken:
        lines = [f"Port {port} is taken by {owner(port)}." for port in taken.values()]
        others = [f"{name}={next(filter(is_free, range(port + 1, HIGHEST)), port)}" for name, port in taken.items()]
        raise StepFailedError("\n".join([*lines, f"Stop it, or choose another: make demo {' '.join(others)}"]))
    return ports


def parse(name: str, text: str) -> int:
    """A number that may be a port of an ordinary user."""
    if text.isdecimal() and LOWEST <= int(text) <= HIGHEST:
        return int(text)
    raise StepFailedError(f"{name}: expected a port between {LOWEST} and {HIGHEST}; got {text!r}")


def is_free(port: int) -> bool:
    """Whether a server could listen on it now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def owner(port: int) -> str:
    """The listening process by name and number; other users' processes are not shown to everybody."""
    with suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and tuple(connection.laddr)[1:] == (port,)
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return "another process"


def write(environment_file: Path, ports: dict[str, int]) -> None:
    """Put the chosen ports in place of the default ones: in the URLs that name them, too."""
    numbers = {str(DEFAULTS[name]): str(port) for name, port in ports.items()}
    text = environment_file.read_text(encoding="utf-8")
    pattern = re.compile(rf"(?<=[:=])({'|'.join(numbers)})\b")
    environment_file.write_text(pattern.sub(lambda match: numbers[match[1]], text), encoding="utf-8")
