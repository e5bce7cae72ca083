"""Tasks that try what a task must not do, and one that needs numeric libraries; appended to the probe of each group."""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import ctypes
import os
import socket
import subprocess
from pathlib import Path
from typing import Final

from celery import shared_task

#: `init_module` of x86-64 and of aarch64.
INIT_MODULE: Final = {"x86_64": 175, "aarch64": 105}
#: What is dropped to be run: an ELF file that exists on every host, copied to where the task may write.
PROGRAM: Final = "/usr/bin/true"


def write_outside() -> None:
    """Write where only root writes, and beside the release's own code."""
    for file in ("/etc/tried", "/usr/local/tried", "/srv/observed/current/tried", "/var/lib/tried", "/run/tried"):
        try:
            Path(file).write_text("tried", encoding="ascii")
        except OSError:
            continue
        raise AssertionError(file)
    raise PermissionError


def run_dropped() -> None:
    """Run a program that the task has written itself, in each place where it can write."""
    for folder in ("/tmp", "/dev/shm", os.environ["DATA_DIR"]):  # noqa: S108 - the unit's own
        dropped = Path(folder, "dropped")
        dropped.write_bytes(Path(PROGRAM).read_bytes())
        dropped.chmod(0o755)
        try:
            subprocess.run([dropped], check=False)
        except PermissionError:
            continue
        raise AssertionError(dropped)
    raise PermissionError


def run_shell() -> None:
    """Run a shell."""
    subprocess.run(["/bin/sh", "-c", "true"], check=False)


def load_module() -> None:
    """Load a kernel module; it would be refused as no module, were it not refused before."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(INIT_MODULE[os.uname().machine], b"", 0, b"")
    raise OSError(ctypes.get_errno(), "init_module")


def open_raw_socket() -> None:
    """Listen to everything on the wire."""
    for family, kind in ((socket.AF_INET, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_RAW)):
        try:
            socket.socket(family, kind, socket.IPPROTO_ICMP).close()
        except OSError:
            continue
        raise AssertionError(family)
    raise PermissionError


def read_others() -> None:
    """Read what another user wrote for itself, the host's passwords, and the store of all credentials."""
    for file in ("/srv/other/secret", "/etc/shadow", "/etc/credstore/observed.all.SECRET_KEY", "/proc/1/environ"):
        try:
            Path(file).read_bytes()
        except OSError:
            continue
        raise AssertionError(file)
    raise PermissionError


def read_other_credentials() -> None:
    """Read the credentials of another service of the same user."""
    own = Path(os.environ["CREDENTIALS_DIRECTORY"])
    others = [folder for folder in own.parent.iterdir() if folder != own]
    if any(any(folder.iterdir()) for folder in others):
        raise AssertionError(others)
    raise PermissionError


TRIES: Final = {
    each.__name__: each
    for each in (
        write_outside,
        run_dropped,
        run_shell,
        load_module,
        open_raw_socket,
        read_others,
        read_other_credentials,
    )
}


def tried(what: str) -> str:
    """How it went: the name of the error."""
    try:
        TRIES[what]()
    except OSError as error:
        return type(error).__name__
    except AssertionError as error:
        return f"done: {error}"
    return "done"


@shared_task(ignore_result=False)
def attempt(what: str) -> str:
    """Try it within the sandbox."""
    return tried(what)


@shared_task(ignore_result=False)
def numbers() -> float:
    """Have numpy, and the threads beneath it, compute something."""
    import numpy as np  # noqa: PLC0415 - installed for the group ml only

    matrix = np.arange(90_000.0).reshape(300, 300)
    return float((matrix @ matrix.T).trace())
