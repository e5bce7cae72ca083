"""What the tests of several files do with hosts."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path

from rehearsal import Fleet, Host, Inventory

SCRIPT = Path(__file__).with_name("connection.py")
PORT = 7
#: Seconds within which something that must happen has happened, on a slow machine under load.
PATIENCE = 30
#: Answers with what it reads; beside it is a process that would say so if it were asked to end.
ECHO_UNIT = """\
[Service]
ExecStart=/bin/sh -c '/bin/sh /usr/local/bin/companion.sh & exec python3 /usr/local/bin/echo.py'
[Install]
WantedBy=multi-user.target
"""
COMPANION = """\
trap 'touch /run/asked-to-end; exit' TERM
while :; do sleep 0.1; done
"""
ECHO = f"""\
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(100):
            self.request.sendall(data)
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", {PORT}), Echo).serve_forever()
"""


def inventory_of(folder: Path, **addresses: str) -> Inventory:
    """An inventory of plain hosts: name -> address."""
    file = folder / "inventory.yml"
    lines = [f"    {name}: {{ansible_host: {address}}}\n" for name, address in addresses.items()]
    file.write_text("plain:\n  hosts:\n" + "".join(lines), encoding="utf-8")
    return Inventory.read(file)


def serve_echo(host: Host) -> None:
    """Have it answer on PORT from now on, after a boot as well."""
    host.write("/usr/local/bin/echo.py", ECHO)
    host.write("/usr/local/bin/companion.sh", COMPANION)
    host.write("/etc/systemd/system/echo.service", ECHO_UNIT)
    host.run("systemctl", "enable", "--now", "echo.service")
    wait_for_echo(host)


def wait_for_echo(host: Host) -> None:
    """Until its own port is open."""
    probe = (
        f"until python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {PORT}), 1)'; do sleep .05; done"
    )
    host.run("sh", "-c", f"{probe} 2>/dev/null", timeout=20)


class Connection:
    """A connection from the controller's side that stays open while faults happen."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Wait for how the attempt ends."""
        self.process = process
        self.first = self._line()

    def send(self) -> str:
        """Send something; tells what came back."""
        return self._order("send")

    def listen(self) -> str:
        """Send nothing; tells what came."""
        return self._order("listen")

    def _order(self, order: str) -> str:
        assert self.process.stdin
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()


@contextmanager
def connection(fleet: Fleet, host: Host) -> Iterator[Connection]:
    """Connect to the echo of a host; `first` tells how that went."""
    command = fleet.command(sys.executable, str(SCRIPT), host.address, str(PORT))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Connection(process)


def attempt(fleet: Fleet, host: Host) -> str:
    """How a new connection fares."""
    with connection(fleet, host) as new:
        return new.first


def reaching(fleet: Fleet) -> set[tuple[str, str]]:
    """Who can open a connection to whom, the controller included as `controller`."""
    script = SCRIPT.read_text(encoding="utf-8")

    def reaches(pair: tuple[str, str]) -> bool:
        start, end = pair
        program = ("python3", "-c", script, fleet[end].address, str(PORT))
        command = fleet.command(*program) if start == "controller" else fleet[start].command(*program)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=20)
        return done.stdout == "connected\n"

    pairs = [pair for pair in permutations([*fleet.hosts, "controller"], 2) if pair[1] != "controller"]
    with ThreadPoolExecutor(len(pairs)) as pool:
        return {pair for pair, reached in zip(pairs, pool.map(reaches, pairs), strict=True) if reached}
