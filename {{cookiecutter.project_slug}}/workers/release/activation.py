"""Making a release the one that this host runs: the new for the old, one service after the other, or all at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.derive.unit_names import target_unit
from workers.release.readiness import Web
from workers.release.services import LASTING, Services
from workers.systemd.draining import NotDoneError, Watch
from workers.systemd.installed import no_room, running_units
from workers.systemd.replacing import Replacement
from workers.systemd.systemctl import SystemctlError, Unit

#: Seconds that a worker may drain before a spare takes tasks in its place, where all are restarted at once.
GRACE: Final = 4.0
#: Seconds between two looks.
PAUSE: Final = 0.5
#: Seconds that a web that has started gets to reach everything: a broker may be failing over.
READY_AFTER: Final = 45.0
#: Seconds that the web of the old release gets to say that it is ready, before anything is touched.
READY_BEFORE: Final = 10.0


@dataclass(frozen=True)
class Plan:
    """What is to be done about services, by name."""

    enable: tuple[str, ...]
    """To be enabled and started."""
    disable: tuple[str, ...]
    """To be stopped for good, its tasks done first."""
    renew: tuple[str, ...]
    """To be replaced or restarted, because they run another release or have read something older."""

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.enable or self.disable or self.renew)

    def __str__(self) -> str:
        """In the order in which it is done."""
        parts = {"renew": self.renew, "begin": self.enable, "end": self.disable}
        return "; ".join(f"{verb} {', '.join(names)}" for verb, names in parts.items() if names) or "nothing"


@dataclass(frozen=True)
class Activation:
    """Brings `release` into service; `patience`: seconds that a service gets to become ready."""

    release: str
    services: Services
    watch: Watch
    web: Web
    marker: Path
    """Exists while an activation is under way: one that is found was interrupted."""
    patience: float

    def plan(self, wanted: Sequence[str] | None) -> Plan:
        """What has to be done for the services `wanted`, or for those that are enabled."""
        enabled, interrupted = self.services.enabled(), self.marker.exists()
        names = enabled if wanted is None else self.services.named(wanted)
        stay = [name for name in enabled if name in names]
        return Plan(
            enable=tuple(name for name in names if name not in enabled),
            disable=tuple(name for name in enabled if name not in names),
            renew=tuple(name for name in stay if self._is_due(name, interrupted=interrupted)),
        )

    def look_before(self, plan: Plan) -> None:
        """Refuse to begin where the web is not ready as it is: raises NotReadyError."""
        if self.marker.exists():
            return  # what failed is being put back, or done again
        [web] = self.watch.systemctl.show(self.services.unit("web"))
        if "web" in plan.renew and web.active == "active":
            self.web.wait_ready(READY_BEFORE)

    def carry_out(self, plan: Plan, *, together: bool) -> None:
        """Do it; raises NotDoneError, NotReadyError or SystemctlError with what stands where."""
        self.marker.touch()
        if together:
            self._renew_together(plan.renew)
        else:
            for name in plan.renew:
                self._renew(name)
        self._begin(plan.enable)
        self._end(plan.disable)
        self.finish()

    def finish(self) -> None:
        """Nothing is left to do, of an interrupted activation neither."""
        self.marker.unlink(missing_ok=True)

    def _is_due(self, name: str, *, interrupted: bool) -> bool:
        units = self.services.processes(name)
        if not interrupted or not units:
            return bool(self.services.old(units, self.release))
        waits = [unit.name for unit in self.watch.systemctl.show(*units) if not _works(unit)]
        return bool(waits or self.services.old(units, self.release) or self._left_spare(name))

    def _left_spare(self, name: str) -> bool:
        """Whether the group's spare stands in for nobody any more."""
        if name in LASTING:
            return False
        [spare] = self.watch.systemctl.show(self.services.spare(name))
        return spare.active in ("active", "activating", "failed")

    def _renew(self, name: str) -> None:
        if name in LASTING:
            self._restart(name)
            return
        systemctl, project = self.watch.systemctl, self.services.project
        workers, own = self.services.workers(name), self.services.spare(name)
        running = running_units(systemctl, project, name)
        room = own in running or self._has_room(name)
        old = [unit for unit in running if unit not in (*workers, own)]
        Replacement(self.watch, None, workers, own if room else None, self.patience, old).run()

    def _has_room(self, group: str) -> bool:
        """Whether the host has memory for a spare."""
        if lack := no_room(self.services.topology, group):
            self.watch.say(group, f"{lack}: its tasks wait while it restarts")
        return not lack

    def _restart(self, name: str) -> None:
        unit = self.services.unit(name)
        with self._telling(unit):
            self.watch.systemctl.restart(unit, wait=True)
        self.watch.say(unit, "runs anew")
        if name == "web":
            self._wait_ready()

    def _begin(self, names: Sequence[str]) -> None:
        if not names:
            return
        units = [unit for name in names for unit in self.services.switches(name)]
        whole = target_unit(self.services.project)
        self.watch.systemctl.enable(whole, *units)
        with self._telling(*(unit for name in names for unit in self.services.processes(name))):
            self.watch.systemctl.start(whole, *units, wait=True)
        self.watch.say(", ".join(names), "enabled and started")
        if "web" in names:
            self._wait_ready()

    def _end(self, names: Sequence[str]) -> None:
        """Workers finish what they have; nobody waits for that."""
        units = [unit for name in names for unit in self.services.switches(name)]
        if units:
            self.watch.systemctl.disable(*units)
            self.watch.systemctl.stop(*units)
        groups = [name for name in self.services.enabled() if name not in LASTING]
        for unit in (*units, *self.services.strangers(groups)):
            self.watch.systemctl.stop(unit)
            self.watch.say(unit, "finishes what it has, and leaves")

    def _wait_ready(self) -> None:
        self.web.wait_ready(READY_AFTER)
        self.watch.say(self.services.unit("web"), "is ready")

    @contextmanager
    def _telling(self, *units: str) -> Iterator[None]:
        """Where systemctl fails, say what the units said that failed."""
        try:
            yield
        except SystemctlError as error:
            failed = [unit for unit in self.watch.systemctl.show(*units) if unit.stumbled]
            raise NotDoneError("".join([str(error), *map(self._told, failed)])) from None

    def _told(self, unit: Unit) -> str:
        said = "".join(f"\n  {line}" for line in self.watch.systemctl.said(unit))
        return f"\n{unit.name} ({unit.active}, {unit.result}):{said}"

    def _renew_together(self, names: Sequence[str]) -> None:
        """All at once: what finishes its tasks does so while others work, or a spare."""
        groups = [name for name in names if name not in LASTING]
        for spare in self.watch.systemctl.show(*map(self.services.spare, groups)) if groups else ():
            if spare.is_up:  # of an activation that did not come to its end
                self.watch.systemctl.stop(spare.name)
        units = {name: self.services.processes(name) for name in names}
        if units:
            self.watch.systemctl.restart(*(unit for own in units.values() for unit in own))
            self._wait_for(units)
        if "web" in names:
            self._wait_ready()

    def _wait_for(self, units: dict[str, list[str]]) -> None:
        """Until everything new stands; a group that drains for longer than GRACE gets a spare, which leaves later."""
        began = self.watch.clock()
        stand_in: set[str] = set()
        while waiting := self._waiting(units):
            if self.watch.clock() > began + self.patience:
                raise NotDoneError(f"{', '.join(waiting)}: not ready after {self.patience:g} s; see systemctl status")
            if self.watch.clock() > began + GRACE:
                for group in self._draining(units, stand_in):
                    stand_in.add(group)
                    units[group] = self._stand_in(group) or units[group]
            self.watch.pause(PAUSE)

    def _waiting(self, units: dict[str, list[str]]) -> list[str]:
        names = [unit for own in units.values() for unit in own]
        found = self.watch.systemctl.show(*names)
        for unit in found:
            if unit.active == "failed" or unit.sub.startswith("auto-restart"):
                raise NotDoneError(f"{unit.name} did not become ready:{self._told(unit)}")
        old = {unit.name for unit in self.services.old(names, self.release)}
        return [unit.name for unit in found if not _works(unit) or unit.name in old]

    def _draining(self, units: dict[str, list[str]], done: set[str]) -> list[str]:
        """Groups whose workers still finish their tasks, and which nobody stands in for."""
        groups = [name for name in units if name not in LASTING and name not in done]
        shown = {group: self.watch.systemctl.show(*units[group]) for group in groups}
        return [group for group, found in shown.items() if any(unit.active == "deactivating" for unit in found)]

    def _stand_in(self, group: str) -> list[str]:
        """Have a spare take tasks until the group's workers are back; it is waited for. Nothing without room for it."""
        if not self._has_room(group):
            return []
        spare = self.services.spare(group)
        self.watch.systemctl.start(spare)
        self.watch.systemctl.stop_after(spare, *self.services.workers(group))
        self.watch.say(spare, "takes tasks until those before it have finished theirs")
        return [spare]


def _works(unit: Unit) -> bool:
    return unit.active in ("active", "reloading")
