"""A web that is asked without a pause while something is done to it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.systemd.app import SOCKET, App, unit

HAMMER: Final = Path(__file__).parent / "hammer.py"
CLIENTS: Final = 8
#: What is enabled on a host with the web.
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
