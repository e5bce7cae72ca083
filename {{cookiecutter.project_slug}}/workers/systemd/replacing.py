"""Replacing a group's workers, one after the other, while a spare takes tasks in their place."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from workers.systemd.draining import NotDoneError, Watch, drain, installed
from workers.systemd.systemctl import Systemctl, SystemctlError, Unit


class RefusedError(Exception):
    """Nothing was touched; the message says why, `lines` what was found."""

    def __init__(self, message: str, lines: Sequence[str] = ()) -> None:
        self.lines = tuple(lines)
        super().__init__(message)


def verify(systemctl: Systemctl, check: str) -> None:
    """`workers check` as the workers find things: their user, environment and credentials. Raises RefusedError."""
    [unit] = installed(systemctl, [check])
    try:
        systemctl.start(unit.name, wait=True)
    except SystemctlError as error:
        [failed] = systemctl.show(check)
        raise RefusedError(f"{error}; nothing was touched", systemctl.said(failed)) from None


@dataclass
class Replacement:
    """The new for the old: `workers` one after the other, with `spare` beside them, or None where it has no room."""

    watch: Watch
    check: str | None
    """What is asked whether the new ones would run; None where somebody has just asked."""
    workers: Sequence[str]
    spare: str | None
    patience: float
    """Seconds that a worker gets to become ready."""
    old: Sequence[str] = ()
    """Workers of the group that run and that workers.yml no longer has: they leave at the end."""

    def run(self) -> None:
        """Do it. Raises RefusedError before anything is touched, NotDoneError with what stands where after that."""
        installed(self.watch.systemctl, [*self.workers, *([self.spare] if self.spare else [])])
        if self.check:
            verify(self.watch.systemctl, self.check)
            self.watch.say(self.check, "the new workers would run")
        if self.spare:
            self._begin_spare(self.spare)
        for number, worker in enumerate(self.workers):
            self._renew(worker, self.workers[number + 1 :])
        for leaving in (*([self.spare] if self.spare else []), *self.old):
            self.watch.systemctl.stop(leaving)
            self.watch.say(leaving, "finishes what it has, and leaves")

    def _begin_spare(self, spare: str) -> None:
        """The first of the new: if it does not come up, the old ones have not been touched."""
        self.watch.systemctl.start(spare)  # one that drains since an earlier replacement starts again after that
        unit = self._started(spare)
        if unit.active != "active":
            self._give_up(unit, f"the old workers run on: {', '.join(self.workers)}")
        self.watch.say(spare, "is ready")

    def _renew(self, worker: str, left: Sequence[str]) -> None:
        """Drain and start again. The start is asked for whatever happens, so that no worker stays away."""
        killed = None
        try:
            drain(self.watch, [worker])
        except NotDoneError as error:
            killed = error
        finally:
            self.watch.systemctl.start(worker)
        unit = self._started(worker)
        if unit.active != "active":
            self._give_up(unit, self._standing(left), keep=True)
        self.watch.say(worker, "is ready")
        if killed:
            raise NotDoneError(f"{killed}. It runs anew; {self._standing(left)}")

    def _started(self, name: str) -> Unit:
        [before] = self.watch.systemctl.show(name)
        patience = self.patience + (before.stop_timeout if before.active == "deactivating" else 0)
        try:
            [unit] = self.watch.until([name], lambda unit: unit.active == "active" or unit.stumbled, patience)
        except NotDoneError:
            [unit] = self.watch.systemctl.show(name)
        return unit

    def _give_up(self, unit: Unit, standing: str, *, keep: bool = False) -> None:
        found = f"{unit.active}, {unit.sub}: {unit.result}"
        said = "".join(f"\n  {line}" for line in self.watch.systemctl.said(unit))
        if not keep:
            self.watch.systemctl.stop(unit.name)
            with suppress(SystemctlError):  # systemd has forgotten it already
                self.watch.systemctl.reset_failed(unit.name)
        raise NotDoneError(f"{unit.name} did not become ready ({found}); {standing}{said}")

    def _standing(self, left: Sequence[str]) -> str:
        untouched = f"not touched: {', '.join(left)}" if left else "no other was left to do"
        return f"{untouched}; {self.spare} takes tasks until you stop it" if self.spare else untouched
