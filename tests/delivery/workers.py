"""The hosts of the workers: every group as a unit, the relay as another, and what can be done to them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rehearsal.host import Host
from tests.delivery import ledger
from tests.deployed import release
from tests.project.probe import GROUPS
from tests.project.running import Project
from tests.waiting import until

#: The groups whose tasks run in children.
PREFORK: Final = ("default", "priority", "batch", "ml")
#: On each host: what its tasks write down.
LEDGER: Final = "/var/lib/probe/ledger.jsonl"
#: Seconds for a stop: the longest task of the probe's groups is killed after 20. Longer than the units' own time-out.
STOP: Final = 60
#: Seconds until every group of a host takes tasks, on a machine where a dozen of them start at a time.
START: Final = 300

#: TERM ends the main process warmly, and only that; the kernel may end a child without ending the unit.
WORKER: Final = f"""\
Environment={ledger.VARIABLE}={LEDGER}
KillMode=mixed
TimeoutStopSec=55
OOMPolicy=continue
"""

#: The relay logs in as a user of its own: a second file, whose names go before those of the first.
RELAY_LINKS: Final = "/etc/app/relay"
RELAY: Final = f"EnvironmentFile={RELAY_LINKS}"

#: Kills what runs tasks, and nothing else: with `spawn` a worker has other children, too.
_KILL_CHILDREN: Final = """\
for unit in "$@"; do
    pkill -KILL -P "$(systemctl show --property MainPID --value "$unit")" -f "celery|spawn_main"
done
true
"""


@dataclass
class WorkerHost:
    """A host that runs every group."""

    host: Host
    reader: ledger.Reader = field(init=False)
    ready: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read its disk from outside: also while it is off."""
        self.reader = ledger.Reader(self.host.folder / "disk" / LEDGER.lstrip("/"))

    @property
    def units(self) -> list[str]:
        """All of them, the relay as well."""
        return [*self.workers(), "relay"]

    def workers(self, groups: Sequence[str] = GROUPS) -> list[str]:
        """The units of some groups, or of all."""
        return [f"worker@{group}" for group in groups]

    def place(self, project: Project, links: Mapping[str, str], relay: Mapping[str, str], authority: str) -> None:
        """Put the project there; `links` of the workers, and of the relay."""
        release.place(self.host, project, links, authority)
        self.host.write(RELAY_LINKS, f'BROKER_URL="{relay["BROKER_URL"]}"\n', mode=0o600)
        release.unit(self.host, "worker@", "The worker of %i", "workers run %i", WORKER)
        release.unit(self.host, "relay", "Sends what was committed, collects what was given up", "workers relay", RELAY)
        self.host.run("systemctl", "daemon-reload")

    def start(self) -> None:
        """Have everything run, now and after each boot; does not wait."""
        self.host.run("systemctl", "enable", "--now", "--no-block", *self.units)

    def entries(self) -> Iterator[ledger.Entry]:
        """What its tasks wrote down since the last call; notes whose worker is ready."""
        for entry in self.reader.new():
            if entry.what == "ready":
                self.ready[entry.kind] = self.ready.get(entry.kind, 0) + 1
            else:
                yield entry

    def signal(self, name: str, units: Sequence[str]) -> None:
        """Send a signal to the main process of each unit, as an operator or systemd does."""
        self.host.run("systemctl", "kill", "--kill-whom=main", f"--signal={name}", *units)

    def kill_children(self, groups: Sequence[str] = PREFORK) -> None:
        """SIGKILL to every child of these groups."""
        self.host.run("sh", "-c", _KILL_CHILDREN, "kill", *self.workers(groups))

    def kill_parents(self) -> None:
        """SIGKILL to the main process of every group: its children are left to find out."""
        self.signal("KILL", self.workers())

    def restart(self) -> None:
        """Stop every group as systemd does, TERM and time to end, and start it again."""
        self.host.run("systemctl", "restart", *self.workers(), timeout=2 * STOP)

    def wait_active(self) -> None:
        """Until every unit is what systemd calls active."""
        until(self._active, lambda: f"the units of {self.host.name}", START)

    def _active(self) -> bool:
        return self.host.run("systemctl", "is-active", "--quiet", *self.units, check=False).returncode == 0
