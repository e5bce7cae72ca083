"""Draining workers: they take no new task, finish what they have, and leave."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from workers.systemd.systemctl import Systemctl, SystemctlError, Unit

#: Seconds between two looks.
PAUSE: Final = 0.25
#: Seconds beyond the unit's own time-out: systemd still has to kill what is left, and to tell.
MARGIN: Final = 30.0

#: Called with a unit and what is to be said of it.
Say = Callable[[str, str], None]


class NotDoneError(Exception):
    """Something that was begun could not be finished; the message says where things stand."""


@dataclass
class Watch:
    """Looks at units until something is so, and says what they say meanwhile: each line once."""

    systemctl: Systemctl
    say: Say
    pause: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    said: dict[str, str] = field(default_factory=dict)

    def until(self, names: Sequence[str], so: Callable[[Unit], bool], patience: float) -> list[Unit]:
        """Each unit as it was when it was so; raises NotDoneError after `patience` seconds."""
        deadline = self.clock() + patience
        found: dict[str, Unit] = {}
        while True:
            for unit in self.systemctl.show(*(name for name in names if name not in found)):
                if so(unit):
                    found[unit.name] = unit
                else:
                    self._tell(unit)
            if len(found) == len(names):
                return [found[name] for name in names]
            if self.clock() > deadline:
                left = ", ".join(name for name in names if name not in found)
                raise NotDoneError(f"{left}: nothing has come of it for {patience:g} s; see systemctl status")
            self.pause(PAUSE)

    def _tell(self, unit: Unit) -> None:
        words = f"{unit.sub}: {unit.status}" if unit.status else unit.sub
        if self.said.get(unit.name) != words:
            self.said[unit.name] = words
            self.say(unit.name, words)


def installed(systemctl: Systemctl, names: Sequence[str]) -> list[Unit]:
    """The units; raises SystemctlError where one is not installed, before anything is done."""
    units = systemctl.show(*names)
    if missing := [unit.name for unit in units if not unit.is_installed]:
        raise SystemctlError(f"{', '.join(missing)}: not installed on this host; write them: python -m workers units")
    return units


def drain(watch: Watch, names: Sequence[str]) -> None:
    """Stop the units, and return when they have left; raises NotDoneError for each that did not leave cleanly."""
    units = installed(watch.systemctl, names)
    running = [unit for unit in units if unit.is_up]
    for unit in units:
        if unit not in running:
            watch.say(unit.name, "does not run")
    if not running:
        return
    watch.systemctl.stop(*(unit.name for unit in running))
    patience = max(unit.stop_timeout for unit in running) + MARGIN
    gone = watch.until([unit.name for unit in running], lambda unit: unit.is_gone, patience)
    for unit in gone:
        watch.say(unit.name, "has left" if unit.left_cleanly else f"ended badly ({unit.result})")
    if killed := [f"{unit.name} ({unit.result})" for unit in gone if not unit.left_cleanly]:
        raise NotDoneError(
            f"{', '.join(killed)} did not leave by itself: what ran there is not done, and runs again where it is "
            "acknowledged late; its journal says more"
        )
