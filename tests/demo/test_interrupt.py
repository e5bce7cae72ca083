"""Ctrl-C during the real demo, step by step: it ends, and no process of it is left."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all of them, so that the dependencies are installed once."""
    return tmp_path_factory.mktemp("demo")


def free_ports() -> dict[str, str]:
    """Three ports that nobody has."""
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [str(server.getsockname()[1]) for server in servers]
    for server in servers:
        server.close()
    return dict(zip(("WEB_PORT", "FLOWER_PORT", "REDIS_PORT"), ports, strict=True))


def processes_of(folder: Path) -> list[str]:
    """Every process that works in the folder or was started from it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd().startswith(str(folder)) or str(folder) in " ".join(process.cmdline()):
                found.append(" ".join(process.cmdline()))
    return found


@pytest.mark.parametrize("line", ["  Generate", "  Install", "  Start", "✓ Start"])
def test_ctrl_c_leaves_no_process_behind(line: str, folder: Path) -> None:
    """Whichever step is under way, the demo ends with 130 and everything it started has ended, too."""
    demo = subprocess.Popen(
        [sys.executable, "-m", "demo", str(folder)],
        cwd=ROOT,
        env={**os.environ, **free_ports()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert demo.stdout is not None
    said = []
    for said_now in demo.stdout:
        said.append(said_now)
        if said_now.startswith(line):
            break
    assert demo.poll() is None, "".join(said)
    demo.send_signal(signal.SIGINT)
    rest, _ = demo.communicate(timeout=90)
    assert processes_of(folder) == []
    assert demo.returncode == 130, "".join(said) + rest
