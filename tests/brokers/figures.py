"""From what observers wrote down to the figures of a row; all in seconds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from tests.brokers.observers.events import Event

#: Seconds. What has not happened when the window ends may just be about to, unless it is overdue by more than this.
CUT_SHORT: Final = 2.0


@dataclass(frozen=True, order=True)
class Stall:
    """How long nothing succeeded; `stuck` where nothing did up to the end of the window, so that it may be more."""

    seconds: float
    stuck: bool = False

    def __str__(self) -> str:
        """The figure as the table shows it."""
        return f"> {self.seconds:.0f}, stuck" if self.stuck else f"{self.seconds:.1f}"


@dataclass(frozen=True)
class Window:
    """The time in which a fault is looked at: from shortly before the strike to some seconds after the mending."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.ended - self.began

    def holds(self, moment: float) -> bool:
        """Whether `moment` lies in it."""
        return self.began <= moment <= self.ended


@dataclass(frozen=True)
class Figures:
    """What one side's clients saw in one row. Starts are what the fault added to a start without one."""

    publish: Stall
    consume: Stall
    late: Stall
    worker_start: Stall
    producer_start: Stall
    lost: int
    twice: int
    failed: int

    @property
    def stalls(self) -> tuple[Stall, ...]:
        """The five figures that a goal bounds."""
        return (self.publish, self.consume, self.late, self.worker_start, self.producer_start)


def successes(events: Sequence[Event], observer: str, kind: str | None = None) -> list[float]:
    """When `observer` succeeded, with tasks of one kind or of all."""
    return [
        event.at
        for event in events
        if event.by == observer and event.what in ("sent", "run") and (kind is None or event.kind == kind)
    ]


def longest_gap(moments: Sequence[float], window: Window, interval: float) -> Stall:
    """The longest time within `window` without a success, less the regular `interval` between two.

    The last success before the window counts as well: what had stopped before would look alive otherwise.
    """
    before = [moment for moment in moments if moment < window.began]
    within = [moment for moment in moments if window.holds(moment)]
    edges = [max(before, default=window.began), *sorted(within), window.ended]
    gaps = [later - earlier for earlier, later in pairwise(edges)]
    longest = max(gaps)
    return Stall(max(longest - interval, 0.0), stuck=gaps[-1] == longest and longest > CUT_SHORT)


def lateness(events: Sequence[Event], window: Window) -> Stall:
    """How much later than due the latest task with a countdown started; one that never did is lost, not late."""
    first_run = {event.id: event.at for event in reversed(events) if event.what == "run"}
    due = {event.id: event.due for event in events if event.what == "sent" and event.kind == "eta"}
    started = ((moment, first_run[name]) for name, moment in due.items() if window.holds(moment) and name in first_run)
    return max((_late(*times, window) for times in started), default=Stall(0.0))


def _late(due: float, started: float, window: Window) -> Stall:
    if started <= window.ended:
        return Stall(max(started - due, 0.0))
    overdue = window.ended - due
    return Stall(overdue, stuck=overdue > CUT_SHORT)


def start(events: Sequence[Event], observer: str, executed: float, window: Window) -> Stall:
    """How long an observer took to its first success; `stuck` where it has had none, and then to the window's end.

    From when its program was loaded: reading libraries takes two seconds of a core, more on a busy machine, the same
    with and without a fault. One that never got so far is looked at from its exec.
    """
    loaded = min((event.at for event in events if event.by == observer and event.what == "up"), default=executed)
    if moments := successes(events, observer):
        return Stall(min(moments) - loaded)
    return Stall(window.ended - loaded, stuck=True)


def beyond(stall: Stall, usual: float) -> Stall:
    """What a fault added to what a start usually takes."""
    return Stall(max(stall.seconds - usual, 0.0), stall.stuck)


def lost(events: Sequence[Event], since: float) -> set[str]:
    """Ids that the broker confirmed after `since` and no worker ran."""
    run = {event.id for event in events if event.what == "run"}
    return {event.id for event in events if event.what == "sent" and event.at >= since} - run


def twice(events: Sequence[Event]) -> int:
    """How many runs there were beyond the first of each id."""
    runs = Counter(event.id for event in events if event.what == "run")
    return sum(runs.values()) - len(runs)


def middle(stalls: Sequence[Stall]) -> Stall:
    """The median of several runs; stuck where at least half of them were."""
    stuck = sum(stall.stuck for stall in stalls) * 2 >= len(stalls)
    return Stall(median(stall.seconds for stall in stalls), stuck)
