"""gunicorn on the socket that systemd holds: nobody is refused while it restarts or gets new processes."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from rehearsal.errors import RehearsalError
from tests.systemd.app import SOCKET, TARGET, App, unit
from tests.systemd.ground import Ground

HAMMER: Final = Path(__file__).parent / "hammer.py"
CLIENTS: Final = 8
#: Short here; `python -m tests.systemd.figures` does a hundred.
RESTARTS, RELOADS = 2, 4
WEB: Final = (unit("web", "socket"), unit("web"))


@contextmanager
def hammered(app: App) -> Iterator[dict[str, Any]]:
    """Requests without a pause; after the block: how many were answered, and how each other one failed."""
    app.host.write("/root/hammer.py", HAMMER.read_text(encoding="utf-8"))
    command = app.host.command("python3", "/root/hammer.py", SOCKET, str(CLIENTS))
    found: dict[str, Any] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "started\n"
        yield found
        process.stdin.close()
        found |= json.loads(process.stdout.read())


@pytest.fixture
def web(ground: Ground) -> Iterator[App]:
    """The web, as its target starts it."""
    ground.app.systemctl("enable", *WEB)
    ground.app.start(TARGET)
    yield ground.app
    ground.app.systemctl("disable", *WEB)


def test_restarts_and_reloads_refuse_no_request(web: App) -> None:
    """Requests wait on the socket meanwhile; a reload changes the processes, and not the main one."""
    with hammered(web) as found:
        for _ in range(RESTARTS):
            web.systemctl("restart", unit("web"))
        first = web.pid(unit("web"))
        for _ in range(RELOADS):
            web.systemctl("reload", unit("web"))
        assert web.pid(unit("web")) == first
    assert found["failed"] == []
    assert found["answered"] > 1000


def test_a_restart_of_everything_keeps_the_socket_and_a_stop_closes_it(web: App) -> None:
    """The next request would start the web again."""
    with hammered(web) as found:
        web.systemctl("restart", TARGET)
    assert found["failed"] == []
    web.stop(TARGET)
    web.wait(unit("web", "socket"), "ActiveState", "inactive", timeout=10)
    with pytest.raises(RehearsalError):
        web.host.run("nc", "-zU", SOCKET)


def test_only_the_proxys_group_connects(web: App) -> None:
    """Whoever connects may say that a request came with TLS."""
    web.host.run("runuser", "-u", "www-data", "--", "nc", "-zU", SOCKET)
    with pytest.raises(RehearsalError, match="Permission denied"):
        web.host.run("runuser", "-u", "nobody", "--", "nc", "-zU", SOCKET)
