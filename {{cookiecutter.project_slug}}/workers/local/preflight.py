"""What is looked at before a local run starts anything."""

import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

#: MiB that must be free for data, logs and results of a local run.
FREE_DISK: Final = 200


class CannotStartError(Exception):
    """The local run cannot start; the message says why and what to do."""


def check_ports(ports: dict[str, int]) -> None:
    """Raise CannotStartError for the ports, by the variable that sets them, that somebody listens on."""
    taken = [f"port {port} ({name} in .env) is in use" for name, port in ports.items() if not _is_free(port)]
    if taken:
        raise CannotStartError("; ".join(taken) + ": stop what listens there, or choose another port in .env")


def check_disk(directory: Path) -> None:
    """Raise CannotStartError where `directory` has less than FREE_DISK MiB left."""
    free = shutil.disk_usage(directory).free // 2**20
    if free < FREE_DISK:
        raise CannotStartError(f"{directory} has {free} MiB free and a run needs {FREE_DISK}: make room on its disk")


@contextmanager
def only_run(lock_file: Path) -> Iterator[None]:
    """Hold the lock of the local run; raise CannotStartError where another holds it.

    The kernel gives the lock up with its process, so a file left by a killed run stops nobody.
    """
    with lock_file.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise CannotStartError(
                f"this project runs already (pid {file.read().strip()}): stop that run first"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
