"""A gunicorn of this project's own, for tests that need the real thing."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import free_port, start


@dataclass(frozen=True)
class Web:
    """A running server, and what it logs."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def get(self, path: str) -> tuple[int, str]:
        """Ask for a page; status and body, also of an error."""
        return self._ask(urllib.request.Request(self._address(path)))

    def post(self, path: str, form: str, cookie: str) -> tuple[int, str]:
        """Send a form."""
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        return self._ask(urllib.request.Request(self._address(path), form.encode(), headers))

    def _address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def _ask(self, request: urllib.request.Request) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def lines(self) -> list[dict[str, Any]]:
        """What was logged so far; a line that is not JSON fails the test."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def workers(self) -> list[int]:
        """The ids of the processes that serve."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return [int(pid) for pid in children.split()]

    def stop(self) -> float:
        """End it as systemd does; the seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=240)
        return time.monotonic() - began


@contextmanager
def running_web(folder: Path, **variables: str) -> Iterator[Web]:
    """Start gunicorn with the project's configuration, until the block ends."""
    port = free_port()
    log = folder / "web.log"
    env = {
        **os.environ,
        "ENVIRONMENT": "test",
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "WEB_PORT": str(port),
        "LOG_FORMAT": "json",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        **variables,
    }
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "-c", "config/gunicorn.conf.py"]
    with log.open("wb") as output:
        process = start(command, env, stdout=output, stderr=output)
    try:
        _wait_until_it_listens(process, port, log)
        yield Web(port, process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"gunicorn did not start:\n{log.read_text(encoding='utf-8')}")


@contextmanager
def silent_server() -> Iterator[int]:
    """Listen on a port, accept everybody, and never say a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(256)  # the kernel accepts; nobody reads
        yield server.getsockname()[1]
