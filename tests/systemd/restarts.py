"""Restarts of a worker again and again while tasks flow, and what they leave behind."""

import time
from dataclasses import asdict, dataclass
from typing import Final

from tests.delivery import results
from tests.systemd.app import NAME, App
from tests.systemd.ground import BROKER, Ground
from tests.systemd.load import Load

#: Seconds in which what workers before these have left goes by itself: others empty their hands.
SETTLING: Final = 30
#: In the name of the list that takes what the server gives to a worker (HAND in workers/brokers/redis/taking.py).
HAND: Final = "\x06\x16hand\x06\x16"


@dataclass(frozen=True)
class Leftovers:
    """What there is of a project at rest; the same before and after, or something leaks."""

    processes: int
    """Of its user."""
    strays: int
    """Connections that the Redis of broker and results holds, and no process of the host any more."""
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
        return cls(
            processes=len(app.host.run("pgrep", "-u", NAME, check=False).stdout.split()),
            strays=_connections(ground) - _established(app),
            keys=tuple(sorted(_redis(ground, "keys", "*").split())),
            bindings=sum(int(_redis(ground, "scard", key)) for key in _redis(ground, "keys", "*pidbox*").split()),
            files=len(_shell(app, f"find /run /tmp -user {NAME}").split()),
        )

    @property
    def settled(self) -> bool:
        """Whether nothing is under way: no connection half closed, no message between the server and a worker."""
        return not self.strays and not any(HAND in key for key in self.keys)

    def differ(self, before: "Leftovers") -> dict[str, tuple[object, object]]:
        """What is not as it was: before and after."""
        old, new = asdict(before), asdict(self)
        return {name: (old[name], new[name]) for name in new if old[name] != new[name]}


def at_rest(ground: Ground, load: Load, group: str, slots: int) -> Leftovers:
    """What there is when every slot has run a task, and so has its connections, and all is done."""
    load.long(group, slots, seconds=1)
    load.end()
    until = time.monotonic() + SETTLING
    while not (found := Leftovers.of(ground)).settled and time.monotonic() < until:
        time.sleep(1)
    return found


def restart(app: App, unit: str, times: int) -> list[float]:
    """Restart the unit so often; the seconds until it was ready again, each time."""
    return [_once(app, unit) for _ in range(times)]


def _once(app: App, unit: str) -> float:
    began = time.monotonic()
    app.systemctl("restart", unit)
    return time.monotonic() - began


def _connections(ground: Ground) -> int:
    """From the host to the Redis, as that one counts them."""
    return _redis(ground, "client", "list").count(f"addr={ground.app.host.address}:")


def _established(app: App) -> int:
    """The same, as the host's own kernel counts them."""
    return len(_shell(app, f"ss -Htn state established dport = :{results.PORT}").splitlines())


def _redis(ground: Ground, *command: str) -> str:
    """What the Redis of the broker says."""
    link = ("--tls", "--cacert", "/etc/redis/tls/ca.pem", "-p", str(results.PORT), "-n", str(BROKER))
    options = (*link, "--no-auth-warning", "-a", results.PASSWORD)
    return ground.database.host.run("redis-cli", *options, *command).stdout.strip()


def _shell(app: App, script: str) -> str:
    return app.host.run("sh", "-c", script, check=False).stdout.strip()
