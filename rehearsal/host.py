"""One host: what to do in it, and what to do to it."""

import hashlib
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rehearsal.cgroup import Cgroup, fleet_cgroup
from rehearsal.errors import RehearsalError
from rehearsal.inventory import HostEntry
from rehearsal.network import Network, exists, interface
from rehearsal.paths import CACHE, PACKAGE
from rehearsal.shell import TIMEOUT, said, tail
from rehearsal.state import folder_of, locked

#: Seconds a host gets to boot; it takes about one, more when many boot at once.
BOOT_TIMEOUT: Final = 60.0
_POLL: Final = 0.02

#: Forks into the host's process namespace and waits. nsenter would do so too, but stops itself with what it started
#: when a shutdown stops all processes, never reaps it, and so holds up the end of the namespace: a reboot would hang.
#: It survives Ctrl-C, which is meant for what it waits for.
_ENTER: Final = 'umask 022; trap : INT QUIT; "$@"; exit $?'

#: How a command in a host begins: in root's home, with the environment that a unit has, as long as its caller lives.
_CLEAN: Final = (
    *("setpriv", "--pdeathsig", "KILL", "env", "--ignore-environment", "--chdir=/root"),
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
    "TERM=dumb",
)

#: Writes standard input to $1 with mode $2 and owner $3: the file is there as a whole or not at all.
_WRITE: Final = """\
set -eu
mkdir -p "$(dirname "$1")"
new=$(mktemp "$(dirname "$1")/.rehearsal.XXXXXX")
trap 'rm -f "$new"' EXIT
cat > "$new"; chmod "$2" "$new"; chown "$3" "$new"; mv -T "$new" "$1"
"""


@dataclass(frozen=True)
class Host:
    """A host of a fleet, on or off. Made by Fleet."""

    entry: HostEntry
    network: Network

    @property
    def name(self) -> str:
        """Its name in the inventory."""
        return self.entry.name

    @property
    def address(self) -> str:
        """Its IPv4 address."""
        return self.entry.address

    @property
    def groups(self) -> tuple[str, ...]:
        """The inventory's groups it is in, inner ones first."""
        return self.entry.groups

    @property
    def folder(self) -> Path:
        """Where its disk (`disk`, what differs from the layers) and its console's log are."""
        return folder_of(self.network.fleet) / "hosts" / self.name

    @property
    def identity(self) -> str:
        """Its machine-id; no other host of any fleet has the same."""
        return hashlib.sha256(f"{self.network.fleet}/{self.name}".encode()).hexdigest()[:32]

    @property
    def cgroup(self) -> Cgroup:
        """The control group of its processes."""
        return Cgroup(fleet_cgroup(self.network.fleet) / self.name)

    @property
    def on(self) -> bool:
        """Whether it is switched on: booting counts."""
        return self.cgroup.populated()

    def command(self, *argv: str) -> list[str]:
        """The command that runs `argv` in it as root, for callers who want the process themselves.

        Raises RehearsalError while it is off or has not yet begun to boot.
        """
        pid = self.cgroup.init()
        if pid is None:
            raise RehearsalError(f"host {self.name} is off; boot it first")
        # --root: where this machine is itself a chroot, the host's namespace of mounts begins above the host's root.
        enter = ["nsenter", "--target", str(pid), "--all", "--root", "--no-fork", "--"]
        enter += ["/bin/sh", "-c", _ENTER, "enter"]
        return [*enter, *_CLEAN, *argv]

    def run(
        self,
        *argv: str,
        input: str | None = None,  # noqa: A002 - what subprocess.run calls it
        check: bool = True,
        timeout: float = TIMEOUT,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` in it as root, without a shell.

        Raises RehearsalError after `timeout` seconds, and for an exit code other than 0 unless `check` is false.
        """
        given = None if input is None else input.encode()
        code, printed, errors = self._communicate(argv, given, timeout)
        if check and code:
            raise RehearsalError(f"{self.name}: {said(argv)}: exit code {code}\n{tail(printed + errors)}")
        return subprocess.CompletedProcess(argv, code, printed, errors)

    def write(self, path: str, content: str | bytes, *, mode: int = 0o644, owner: str = "root:root") -> None:
        """Write a file in it, as a whole or not at all; folders above that are missing are made."""
        given = content.encode() if isinstance(content, str) else content
        argv = ("sh", "-c", _WRITE, "write", path, f"{mode:o}", owner)
        code, _, errors = self._communicate(argv, given, TIMEOUT)
        if code:
            raise RehearsalError(f"{self.name}: {path} cannot be written\n{tail(errors)}")

    def _communicate(self, argv: Sequence[str], given: bytes | None, timeout: float) -> tuple[int, str, str]:
        """Exit code, output and errors of a command in it; what is no UTF-8 is replaced, programs print anything."""
        try:
            done = subprocess.run(self.command(*argv), input=given, capture_output=True, check=False, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise RehearsalError(f"{self.name}: {said(argv)}: no end after {timeout:g} s") from None
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def read(self, path: str) -> str:
        """The text of a file in it."""
        return self.run("cat", "--", path).stdout

    def kill(self, unit: str) -> None:
        """SIGKILL to every process of a unit; its kernel lives on and resets the unit's connections."""
        self.run("systemctl", "kill", "--kill-whom=all", "--signal=KILL", unit)
        self.changed()

    def power_off(self) -> None:
        """Take its power away: first its packets vanish, then every process is gone. Its disk stays as it is."""
        with locked(f"{self.network.fleet}.{self.name}"):
            if exists(self.network.control):
                self.cut()
            self.cgroup.kill()
            self.cgroup.remove()
            self.changed()

    def boot(self) -> None:
        """Switch it on, with its disk as it was and its link whole; waits until systemd is up."""
        self.start()
        self.wait()

    def start(self) -> None:
        """Switch it on without waiting; nothing but a whole link if it is on."""
        with locked(f"{self.network.fleet}.{self.name}"):
            if self.on:
                self.mend()
                return
            stack = self._stack()
            self.network.renew(self.entry)
            self.cgroup.make()
            self._begin(stack)

    def _begin(self, stack: str) -> None:
        arguments = (
            self.folder, self.cgroup.path, self.entry.hostname, self.network.namespace(self.entry),
            self.network.control, interface(self.address), stack,
        )  # fmt: skip
        with (self.folder / "console.log").open("a") as console:
            subprocess.run(
                ["sh", str(PACKAGE / "keep.sh"), "begin", *map(str, arguments)],
                cwd=CACHE / "layers",
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                check=False,  # `wait` finds out, and has the console to show
                timeout=BOOT_TIMEOUT,
            )

    def _stack(self) -> str:
        """The layers under its disk, as they were when it was made."""
        stack = (self.folder / "stack").read_text(encoding="utf-8")
        if lost := [layer for layer in stack.split(":") if not (CACHE / "layers" / layer).is_dir()]:
            fleet = self.network.fleet
            raise RehearsalError(
                f"host {self.name}: its layer {lost[0]} is no longer in {CACHE}; "
                f"begin anew: python -m rehearsal down --fleet {fleet}, then up"
            )
        return stack

    def wait(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Until systemd has started everything.

        Raises RehearsalError with the console's last lines after `timeout` seconds, or when the host is off again.
        """
        deadline = time.monotonic() + timeout
        while not self._is_up(deadline):
            if time.monotonic() > deadline or not self.on:
                log = (self.folder / "console.log").read_text(encoding="utf-8", errors="replace")
                fate = f"did not come up within {timeout:g} s" if self.on else "went off while it booted"
                raise RehearsalError(f"host {self.name} {fate}; its console:\n{tail(log)}")
            time.sleep(_POLL)

    def _is_up(self, deadline: float) -> bool:
        if self.cgroup.init() is None:
            return False
        try:
            state = self.run(
                "systemctl", "is-system-running", "--wait", check=False, timeout=max(deadline - time.monotonic(), 1)
            )
        except RehearsalError:
            return False
        # "degraded": a unit failed. That is the business of whoever looks at that unit.
        return state.stdout.strip() in ("running", "degraded")

    def cut(self) -> None:
        """Pull its network cable: packets vanish both ways, nobody is told."""
        self.network.set_link(self.entry, up=False)
        self.changed()

    def mend(self) -> None:
        """Plug its network cable in again."""
        self.network.set_link(self.entry, up=True)
        self.changed()

    def changed(self) -> None:
        """Note that it has just become different: `ls` tells since when a host is as it is."""
        (self.folder / "changed").touch()
