"""A manager of units in memory, with a clock of its own: what systemd would do, as far as workers are replaced by it."""

from dataclasses import dataclass, field
from typing import Any

from workers.systemd.systemctl import Systemctl, SystemctlError, Unit


@dataclass
class Service:
    """A unit: how long it takes to start and to drain, and what goes wrong with it."""

    active: str = "active"
    drains: float = 10
    starts: float = 3
    stop_timeout: float = 60
    installed: bool = True
    broken: str = ""
    """Why a start fails; empty where it does not."""
    until: float = 0
    again: bool = False
    """Whether it is to start when it has stopped."""
    result: str = "success"


@dataclass
class Manager(Systemctl):
    """Stands in for systemctl."""

    services: dict[str, Service]
    now: float = 0
    asked: list[str] = field(default_factory=list)
    fewest: dict[str, int] = field(default_factory=dict)
    """The fewest active units there were at any moment after something was asked, by what their names begin with."""

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        for service in self.services.values():
            self._advance(service)
        ready = sum(service.active == "active" for name, service in self.services.items() if "@" in name)
        self.fewest["workers"] = min(ready, self.fewest.get("workers", ready))

    def clock(self) -> float:
        """The time."""
        return self.now

    def show(self, *names: str) -> list[Unit]:
        """As they are now."""
        return [self._unit(name, self.services.get(name, Service("inactive", installed=False))) for name in names]

    def start(self, *names: str, wait: bool = False) -> None:
        """Ask for a start."""
        for name in names:
            self.asked.append(f"start {name}")
            service = self.services[name]
            if wait and service.broken:
                service.active, service.result = "failed", "exit-code"
                raise SystemctlError(f"systemctl start: Job for {name} failed.")
            if service.active == "deactivating":
                service.again = True
            elif service.active != "active" and not wait:
                self._begin(service)

    def stop(self, *names: str) -> None:
        """Ask for a stop."""
        for name in names:
            self.asked.append(f"stop {name}")
            service = self.services[name]
            if service.active in ("active", "activating"):
                service.active, service.until = "deactivating", self.now + min(service.drains, service.stop_timeout)

    def reset_failed(self, name: str) -> None:
        """Forget that it failed."""
        self.services[name].result = "success"

    def said(self, unit: Unit) -> list[str]:
        """Why it failed."""
        return [self.services[unit.name].broken]

    def _begin(self, service: Service) -> None:
        service.active, service.until, service.result = "activating", self.now + service.starts, "success"

    def _advance(self, service: Service) -> None:
        if self.now < service.until:
            return
        if service.active == "activating":
            service.active = "failed" if service.broken else "active"
            service.result = "exit-code" if service.broken else "success"
        elif service.active == "deactivating":
            killed = service.drains > service.stop_timeout
            service.active, service.result = ("failed", "timeout") if killed else ("inactive", "success")
            if service.again:
                service.again = False
                self._begin(service)

    def _unit(self, name: str, service: Service) -> Unit:
        values: dict[str, Any] = {
            "Id": name,
            "LoadState": "loaded" if service.installed else "not-found",
            "ActiveState": service.active,
            "SubState": {"active": "running", "deactivating": "stop-sigterm"}.get(service.active, service.active),
            "Result": service.result,
            "StatusText": "batch: stopping: 2 tasks run" if service.active == "deactivating" else "",
            "TimeoutStopUSec": f"{service.stop_timeout:g}s",
        }
        return Unit.read(values)
