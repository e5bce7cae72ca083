"""Restarts of a worker again and again while tasks flow, and what they leave behind."""

import time
from dataclasses import asdict, dataclass

from tests.delivery import results
from tests.systemd.app import NAME, App
from tests.systemd.ground import BROKER, Ground
from tests.systemd.load import Load


@dataclass(frozen=True)
class Leftovers:
    """What there is of a project at rest; the same before and after, or something leaks."""

    processes: int
    """Of its user."""
    sockets: int
    """That its processes have open, of any kind."""
    connections: int
    """At the Redis of broker and results, from the host."""
    keys: tuple[str, ...]
    """In the broker: queues, control queues and what is bound to them."""
    bindings: int
    """Of control queues: one for each worker."""
    files: int
    """Pid files and other things in /run and /tmp."""

    @classmethod
    def of(cls, ground: Ground) -> "Leftovers":
        """Count them."""
        app = ground.app
        clients = _redis(ground, "client", "list").splitlines()
        return cls(
            processes=len(app.host.run("pgrep", "-u", NAME, check=False).stdout.split()),
            sockets=int(_shell(app, f"for pid in $(pgrep -u {NAME}); do ls -l /proc/$pid/fd; done | grep -c socket:")),
            connections=sum(f"addr={app.host.address}:" in client for client in clients),
            keys=tuple(sorted(_redis(ground, "keys", "*").split())),
            bindings=sum(int(_redis(ground, "scard", key)) for key in _redis(ground, "keys", "*pidbox*").split()),
            files=len(_shell(app, f"find /run /tmp -user {NAME}").split()),
        )

    def differ(self, before: "Leftovers") -> dict[str, tuple[object, object]]:
        """What is not as it was: before and after."""
        old, new = asdict(before), asdict(self)
        return {name: (old[name], new[name]) for name in new if old[name] != new[name]}


def at_rest(ground: Ground, load: Load, group: str, slots: int) -> Leftovers:
    """What there is when every slot has run a task, and so has its connections, and all is done."""
    load.long(group, slots, seconds=1)
    load.end()
    return Leftovers.of(ground)


def restart(app: App, unit: str, times: int) -> list[float]:
    """Restart the unit so often; the seconds until it was ready again, each time."""
    return [_once(app, unit) for _ in range(times)]


def _once(app: App, unit: str) -> float:
    began = time.monotonic()
    app.systemctl("restart", unit)
    return time.monotonic() - began


def _redis(ground: Ground, *command: str) -> str:
    """What the Redis of the broker says."""
    link = ("--tls", "--cacert", "/etc/redis/tls/ca.pem", "-p", str(results.PORT), "-n", str(BROKER))
    options = (*link, "--no-auth-warning", "-a", results.PASSWORD)
    return ground.database.host.run("redis-cli", *options, *command).stdout.strip()


def _shell(app: App, script: str) -> str:
    return app.host.run("sh", "-c", script, check=False).stdout.strip()
