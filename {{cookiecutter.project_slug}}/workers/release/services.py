"""The services of a project on this host: which are enabled, from which release they run, and since when."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from workers.derive.unit_names import group_target, service_unit, socket_unit, target_unit, timer_unit, worker_unit
from workers.systemd.systemctl import Started, Systemctl, Unit
from workers.topology import Topology
from workers.topology.instances import group_of, instances, spare

#: Beside the worker groups, in the order in which they are renewed: the web comes last, when all else stands.
LASTING: Final = ("beat", "relay", "flower", "web")
#: Done every day, on one host.
TIMERS: Final = ("dead", "sessions")
#: What a service reads at its start, besides its code: in the project's folder, and from where secrets are.
READ: Final = ("environment", "ca.pem")
STORES: Final = ("etc/credstore", "etc/credstore.encrypted")
#: What an operator has stopped, or what finishes its tasks, is not touched.
RESTING: Final = ("inactive", "deactivating")


class UnknownServiceError(Exception):
    """Neither a group of workers.yml nor one of the other services."""


@dataclass(frozen=True)
class Services:
    """Looks at the units of the topology's project through `systemctl`; a service is called `batch`, `web`, `beat`."""

    topology: Topology
    systemctl: Systemctl
    root: Path = Path("/")

    @property
    def project(self) -> str:
        """Whose they are."""
        return self.topology.project

    @property
    def known(self) -> tuple[str, ...]:
        """All there may be, in the order in which they are renewed."""
        return (*self.topology.groups, *LASTING, *TIMERS)

    def named(self, names: Iterable[str]) -> tuple[str, ...]:
        """The same in that order; raises UnknownServiceError."""
        wanted = set(names)
        if unknown := sorted(wanted - set(self.known)):
            raise UnknownServiceError(f"no service is called {', '.join(unknown)}; there are: {', '.join(self.known)}")
        return tuple(name for name in self.known if name in wanted)

    def enabled(self) -> tuple[str, ...]:
        """What starts with this host, as its owner wants it."""
        wanted = self.systemctl.wants(target_unit(self.project)) | self.systemctl.wants("timers.target")
        return tuple(name for name in self.known if self.switches(name)[-1] in wanted)

    def switches(self, name: str) -> tuple[str, ...]:
        """The units that are enabled for a service, in the order in which they start."""
        if name in TIMERS:
            return (timer_unit(self.project, name),)
        if name in self.topology.groups:
            return (group_target(self.project, name),)
        return (*((socket_unit(self.project),) if name == "web" else ()), self.unit(name))

    def unit(self, name: str) -> str:
        """The unit of a service beside the workers."""
        return service_unit(self.project, name)

    def workers(self, group: str) -> list[str]:
        """The units of a group's workers."""
        return [worker_unit(self.project, name) for name in instances(group, self.topology.groups[group])]

    def processes(self, name: str) -> list[str]:
        """The units whose processes do what a service is for."""
        if name in self.topology.groups:
            return self.workers(name)
        return [self.unit(name)] if name in LASTING else []

    def spare(self, group: str) -> str:
        """The unit that stands in for one of them."""
        return worker_unit(self.project, spare(group))

    def strangers(self, names: Collection[str]) -> list[str]:
        """Workers that run here and belong to no group among `names`."""
        running = self.systemctl.up(worker_unit(self.project, "*"))
        return [unit for unit in running if group_of(unit.partition("@")[2].removesuffix(".service")) not in names]

    def configured(self) -> datetime:
        """When what services read besides their code was changed last."""
        own = (self.root / f"etc/{self.project}" / name for name in READ)
        secrets = (path for store in STORES for path in (self.root / store).glob(f"{self.project}.*"))
        files = (path for path in (*own, *secrets) if path.is_file())
        return datetime.fromtimestamp(max((path.stat().st_mtime for path in files), default=0), UTC)

    def old(self, names: Sequence[str], release: str) -> list[Unit]:
        """Those of the units that run, or try to, and not from `release` with what is configured now."""
        working = [unit for unit in self.systemctl.show(*names) if unit.active not in RESTING] if names else []
        if not working:
            return []
        since, started = self.configured(), self.systemctl.started(*(unit.name for unit in working))
        return [unit for unit in working if self._is_old(started.get(unit.name), release, since)]

    def _is_old(self, started: Started | None, release: str, since: datetime) -> bool:
        return started is None or started.at < since or self._release(started.process) != release

    def _release(self, process: int) -> str | None:
        try:
            return (self.root / f"proc/{process}/cwd").readlink().name
        except OSError:  # it has just ended
            return None

    def used(self) -> set[str]:
        """The releases that any process of the host works in."""
        found = (self._release(int(path.name)) for path in (self.root / "proc").glob("[1-9]*"))
        return {name for name in found if name}
