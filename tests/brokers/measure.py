"""One row of the table: our clients and stock Celery's, side by side in the same fault."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.brokers import figures
from tests.brokers.cluster import Cluster
from tests.brokers.faults import Fault, Target
from tests.brokers.figures import Figures, Window
from tests.brokers.observers import project as observed
from tests.brokers.observers.events import Event
from tests.brokers.observers.processes import Observers
from tests.project.running import Project
from tests.template.rendering import ROOT

#: Tasks a second of the producer that is watched, and of one that is started during the fault.
RATE, LATE_RATE = 20, 5
#: And of one that floods: slow enough for two cores to run what comes due, so that only the fault makes it late.
FLOOD_RATE: Final = 150
#: Seconds within which clients must work without a fault.
START_WITHIN: Final = 60
#: Seconds after a fault within which confirmed messages must have run; nothing is promised of stock's.
DRAIN_WITHIN: Final = {"ours": 30, "stock": 15}
#: Seconds of calm before the strike.
CALM = 2
#: Seconds after the strike when a worker and a producer of each side are started: before anybody has noticed, and while
#: a node is known to be dead. Never those of both sides at a time: a start keeps a core busy for two seconds.
WAVES: Final = {"ours": (0.0, 9.0), "stock": (4.0, 13.0)}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What one run of a row gave; `stock` is None where it was not asked for."""

    ours: Figures
    stock: Figures | None = None


@dataclass(frozen=True)
class Ground:
    """Where rows are measured: `folder` gets a folder a run with what observers wrote and said."""

    cluster: Cluster
    project: Project
    folder: Path
    stock: bool = True
    say: Say = print


@dataclass
class Side:
    """Our clients, or stock Celery's."""

    name: str
    observers: Observers
    project: Project
    cluster: Cluster

    def start_producer(self, name: str, rate: int, *options: str) -> None:
        """Start one that sends `rate` tasks a second."""
        command = ("-m", "tests.brokers.observers.publish", self.name, str(rate), *options)
        self._start(name, "web", command)

    def start_worker(self, name: str, group: str) -> None:
        """Start one that consumes the queue of `group`."""
        node = f"{group}@{name}"
        ours = ("-m", "workers", "run", group, "--", "-n", node)
        queue = observed.STOCK_QUEUES[group]
        stock = ("-m", "celery", "-A", "tests.brokers.stock", "worker", "-Q", queue, "-n", node, "--loglevel", "INFO")
        self._start(name, "worker", ours if self.name == "ours" else stock)

    def start_wave(self, number: int) -> None:
        """A worker and a producer that find the brokers as they are now."""
        self.start_producer(f"producer-{number}", LATE_RATE, "alone")
        self.start_worker(f"started-{number}", observed.SIDE)

    def started(self, number: int) -> bool:
        """Whether both of a wave have had a success."""
        return all(self.successes(f"{kind}-{number}") for kind in ("producer", "started"))

    def successes(self, observer: str, kind: str | None = None) -> list[float]:
        """When `observer` succeeded, with tasks of one kind or of all."""
        return successes(self.observers.seen(), observer, kind)

    def _start(self, name: str, role: str, command: Sequence[str]) -> None:
        stock = self.name == "stock"
        links = self.cluster.links("stock" if stock else "web" if role == "web" else "worker")
        variables = observed.environment(self.project, links)
        self.observers.start(name, [str(self.project.python), *command], variables)


@dataclass(frozen=True)
class Wave:
    """A worker and a producer to be started `moment` seconds after the strike."""

    moment: float
    number: int
    side: Side


def measure(ground: Ground, fault: Fault, target: Target, run: str) -> Outcome:
    """Run a row once; takes about a minute. What the observers wrote stays in the ground's folder under `run`.

    Raises TimeoutError where clients do not work before the fault, or the cluster does not recover after it.
    """
    cluster = ground.cluster
    cluster.wait_healthy()
    cluster.clear()
    _aim(cluster, target)
    with ExitStack() as stack:
        names = ("ours", "stock") if ground.stock else ("ours",)
        sides = [stack.enter_context(_side(name, ground, run)) for name in names]
        ground.say("starting")
        _start_and_wait(sides)
        # Queues that stock's worker has just declared may be led by another host; once they are there, all stay.
        if _aim(cluster, target):
            _wait_for_all(sides, lambda side: _flows(side, since=time.monotonic() - 1), "clients after the move")
        if fault.countdowns:
            for side in sides:
                side.start_producer("producer-countdowns", FLOOD_RATE, str(fault.countdowns))
            _wait_for_all(sides, lambda side: bool(side.successes("producer-countdowns")), "the first long countdown")
        time.sleep(CALM)
        window = _strike(ground, fault, sides)
        ground.say("draining")
        _drain(sides)
        return Outcome(*(_figures(side, window) for side in sides))


@contextmanager
def _side(name: str, ground: Ground, run: str) -> Iterator[Side]:
    cwd = ground.project.root if name == "ours" else ROOT
    with Observers(ground.folder / run / name, cwd, ground.cluster.fleet.command) as observers:
        yield Side(name, observers, ground.project, ground.cluster)


def _start_and_wait(sides: Sequence[Side]) -> None:
    """The clients that are watched, then a first wave without a fault: what its starts take is usual."""
    for side in sides:
        side.start_worker("worker", observed.MAIN)
    # Stock's worker declares what holds tasks with a countdown: one that is sent earlier would stick there for minutes.
    _wait_for_all(sides, lambda side: side.observers.running["worker"].says(" ready."), "the workers")
    for side in sides:
        side.start_producer("producer", RATE)
    _wait_for_all(sides, lambda side: bool(side.successes("worker")), "the first task")
    for side in sides:
        side.start_wave(0)
        _wait_for_all([side], lambda side: side.started(0), "a worker and a producer started without a fault")
        side.observers.running["producer-0"].kill()
    _wait_for_all(sides, lambda side: bool(side.successes("worker", "eta")), "the first task with a countdown")


def _aim(cluster: Cluster, target: Target) -> bool:
    """Make the host that will be struck the leader of everything, or of nothing; whether anything had to be moved."""
    aimed = cluster.hosts[1 if target == "non-leader" else 0]
    with suppress(LookupError):
        if cluster.leader().name == aimed.name:
            return False
    cluster.lead(aimed)
    if (found := cluster.leader()).name != aimed.name:
        raise TimeoutError(f"{aimed.name} was to lead, but {found.name} does")
    return True


def _strike(ground: Ground, fault: Fault, sides: Sequence[Side]) -> Window:
    """Cause the fault, start clients meanwhile, mend it, and watch what follows."""
    cluster = ground.cluster
    host = cluster.hosts[0]
    waves = sorted((wave for side in sides for wave in _waves(side, fault)), key=lambda wave: wave.moment)
    began = time.monotonic()
    _start_waves([wave for wave in waves if not wave.moment], began)
    ground.say(f"{fault.name} on {host.name}")
    fault.strike(cluster, host)
    struck = time.monotonic()
    _start_waves([wave for wave in waves if wave.moment], began)
    _sleep_until(struck + fault.lasts)
    ground.say("mending")
    fault.mend(cluster, host)
    cluster.wait_healthy()
    time.sleep(fault.settles)
    return Window(began, time.monotonic())


def _waves(side: Side, fault: Fault) -> list[Wave]:
    """The first wave in any case, as late as the fault allows; others while it lasts."""
    first, *more = WAVES[side.name]
    moments = [min(first, fault.lasts), *(moment for moment in more if moment < fault.lasts)]
    return [Wave(moment, number, side) for number, moment in enumerate(moments, start=1)]


def _start_waves(waves: Sequence[Wave], began: float) -> None:
    for wave in waves:
        _sleep_until(began + wave.moment)
        wave.side.start_wave(wave.number)


def _drain(sides: Sequence[Side]) -> None:
    """Send no more, and let what was confirmed be run; stock's workers may be stuck, so it gets fresh ones.

    What has not run by then counts as lost.
    """
    for side in sides:
        for name, observer in side.observers.running.items():
            if name.startswith("producer"):
                observer.kill()
    for side in sides:
        if side.name == "stock" and figures.lost(side.observers.seen()):
            side.start_worker("drain-main", observed.MAIN)
            side.start_worker("drain-side", observed.SIDE)
        deadline = time.monotonic() + DRAIN_WITHIN[side.name]
        while time.monotonic() < deadline and figures.lost(side.observers.seen()):
            time.sleep(0.2)


def _figures(side: Side, window: Window) -> Figures:
    events = side.observers.seen()
    usual = {kind: _start(side, events, f"{kind}-0", window).seconds for kind in ("producer", "started")}
    return Figures(
        publish=figures.longest_gap(successes(events, "producer", "now"), window, 1 / RATE),
        consume=figures.longest_gap(successes(events, "worker", "now"), window, 1 / RATE),
        late=figures.lateness(events, window),
        worker_start=_slowest(side, events, "started", usual["started"], window),
        producer_start=_slowest(side, events, "producer", usual["producer"], window),
        lost=len(figures.lost(events)),
        twice=figures.twice(events),
        failed=sum(event.what == "failed" and window.holds(event.at) for event in events),
    )


def _slowest(side: Side, events: Sequence[Event], kind: str, usual: float, window: Window) -> figures.Stall:
    names = (f"{kind}-{number}" for number in range(1, len(WAVES[side.name]) + 1))
    starts = [_start(side, events, name, window) for name in names if name in side.observers.running]
    return figures.beyond(max(starts), usual)


def _start(side: Side, events: Sequence[Event], observer: str, window: Window) -> figures.Stall:
    return figures.start(side.observers.running[observer].executed, successes(events, observer), window)


def _flows(side: Side, since: float) -> bool:
    return all(max(side.successes(name, "now"), default=0) > since for name in ("worker", "producer"))


def successes(events: Sequence[Event], observer: str, kind: str | None = None) -> list[float]:
    """When `observer` succeeded, with tasks of one kind or of all."""
    return [
        event.at
        for event in events
        if event.by == observer and event.what != "failed" and (kind is None or event.kind == kind)
    ]


def _wait_for_all(sides: Sequence[Side], condition: Callable[[Side], bool], what: str) -> None:
    deadline = time.monotonic() + START_WITHIN
    while waiting := [side for side in sides if not condition(side)]:
        if time.monotonic() > deadline:
            logs = "\n".join(side.observers.tails() for side in waiting)
            names = " and ".join(side.name for side in waiting)
            raise TimeoutError(f"{names}: waited {START_WITHIN} s in vain for {what}\n{logs}")
        time.sleep(0.1)


def _sleep_until(moment: float) -> None:
    time.sleep(max(moment - time.monotonic(), 0))
