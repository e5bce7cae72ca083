"""One row of the table: our clients and stock Celery's, side by side in the same fault."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.brokers import figures, loopback
from tests.brokers.cluster import Cluster
from tests.brokers.faults import Fault, Target
from tests.brokers.figures import Figures, Stall, Window
from tests.brokers.observers.events import Event
from tests.brokers.observers.processes import Observers
from tests.brokers.observers.project import MAIN, SIDE
from tests.brokers.sides import RATE, Side
from tests.project.running import Project
from tests.template.rendering import ROOT

#: Seconds within which clients must work without a fault.
START_WITHIN: Final = 60
#: Seconds after a fault within which confirmed messages must have run; nothing is promised of stock's.
DRAIN_WITHIN: Final = {"ours": 30, "stock": 15}
#: Seconds between two looks at what observers wrote: reading it costs the clients a bit of a core.
POLL: Final = 0.3
#: Seconds of calm before the strike.
CALM: Final = 2
#: Seconds after the strike when a worker and a producer of each side are started: before anybody has noticed, and while
#: a node is known to be dead. Never those of both sides at a time: a start keeps a core busy for two seconds.
WAVES: Final = {"ours": (0.0, 9.0), "stock": (4.0, 13.0)}

#: Linux keeps account of it, unless it was built or started without.
PRESSURE: Final = Path("/proc/pressure/cpu")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What one run of a row gave; `stock` is None where it was not asked for.

    `pressure` is the share of the time in which something waited for a core: clients also stall where that is high.
    """

    ours: Figures
    stock: Figures | None
    pressure: float


@dataclass(frozen=True)
class Ground:
    """Where rows are measured: `folder` gets a folder a run with what observers wrote and said."""

    cluster: Cluster
    project: Project
    folder: Path
    stock: bool = True
    say: Say = print


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
    ground.cluster.wait_healthy()
    ground.cluster.clear()
    _aim(ground.cluster, target)
    with ExitStack() as stack:
        names = ("ours", "stock") if ground.stock else ("ours",)
        store = _results_store(stack, ground)
        sides = [stack.enter_context(_side(name, ground, run, store)) for name in names]
        ground.say("starting")
        _start(sides)
        # Queues that stock's worker has just declared may be led by another host; once they are there, all stay.
        if _aim(ground.cluster, target):
            _wait_for_all(sides, lambda side: side.flows(since=time.monotonic() - 1), "clients after the move")
        if fault.countdowns:
            _start_floods(sides, fault.countdowns)
        time.sleep(CALM)
        waited = _waited_for_cores()
        window = _strike(ground, fault, sides)
        pressure = (_waited_for_cores() - waited) / window.seconds
        ground.say("draining")
        _drain(sides)
        ours, *stock = (_figures(side, window) for side in sides)
        return Outcome(ours, next(iter(stock), None), pressure)


def _results_store(stack: ExitStack, ground: Ground) -> dict[str, str]:
    """Where results go: beside RabbitMQ to a Redis that the fault leaves alone. As variables of the clients."""
    if ground.cluster.broker == "redis":
        return {}
    store = loopback.results(ground.folder / "results", ground.cluster.fleet.command)
    return {"RESULT_URL": stack.enter_context(store)}


@contextmanager
def _side(name: str, ground: Ground, run: str, variables: Mapping[str, str]) -> Iterator[Side]:
    cwd = ground.project.root if name == "ours" else ROOT
    with Observers(ground.folder / run / name, cwd, ground.cluster.fleet.command) as observers:
        yield Side(name, observers, ground.project, ground.cluster, variables)


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


def _start(sides: Sequence[Side]) -> None:
    """The clients that are watched, then a first wave without a fault: what its starts take is usual."""
    for side in sides:
        side.start_worker("worker", MAIN)
    # Stock's worker declares what holds tasks with a countdown: one that is sent earlier would stick there for minutes.
    _wait_for_all(sides, lambda side: side.observers.running["worker"].says(" ready."), "the workers")
    for side in sides:
        side.start_producer("producer")
    _wait_for_all(sides, lambda side: bool(side.successes("worker")), "the first task")
    for side in sides:
        side.start_wave(0)
        _wait_for_all([side], lambda side: side.started(0), "a worker and a producer started without a fault")
        side.end_wave(0)
    _wait_for_all(sides, lambda side: bool(side.successes("worker", "eta")), "the first task with a countdown")


def _start_floods(sides: Sequence[Side], count: int) -> None:
    for side in sides:
        side.start_flood(count)
    # The other half is sent during the fault, in which the first comes due.
    _wait_for_all(sides, lambda side: len(side.successes("producer-flood")) >= count / 2, "half of the countdowns")


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
    """Let what was confirmed be run; stock's workers may be stuck, so it gets fresh ones. What has not run is lost."""
    for side in sides:
        side.end_producers()
    for side in sides:
        if side.name == "stock" and side.unfinished():
            side.start_worker("drain-main", MAIN)
            side.start_worker("drain-side", SIDE)
        deadline = time.monotonic() + DRAIN_WITHIN[side.name]
        while time.monotonic() < deadline and side.unfinished():
            time.sleep(POLL)


def _figures(side: Side, window: Window) -> Figures:
    events = side.observers.seen()
    return Figures(
        publish=figures.longest_gap(figures.successes(events, "producer", "now"), window, 1 / RATE),
        consume=figures.longest_gap(figures.successes(events, "worker", "now"), window, 1 / RATE),
        late=figures.lateness(events, window),
        worker_start=_start_added(side, events, "worker", window),
        producer_start=_start_added(side, events, "producer", window),
        lost=len(side.unfinished()),
        twice=figures.twice(events),
        failed=sum(event.what == "failed" and window.holds(event.at) for event in events),
    )


def _start_added(side: Side, events: Sequence[Event], kind: str, window: Window) -> Stall:
    """What the fault added to the slowest start, compared with the one before it."""
    usual, *during = (
        figures.start(events, name, observer.executed, window)
        for name, observer in side.observers.running.items()
        if name.startswith(f"{kind}-") and name != "producer-flood"
    )
    return figures.beyond(max(during), usual.seconds)


def _waited_for_cores() -> float:
    """Seconds since the machine's start in which some process was ready and had no core; 0 if it does not say."""
    with suppress(OSError):
        return int(PRESSURE.read_text(encoding="ascii").splitlines()[0].rpartition("total=")[2]) / 1_000_000
    return 0.0


def _wait_for_all(sides: Sequence[Side], condition: Callable[[Side], bool], what: str) -> None:
    deadline = time.monotonic() + START_WITHIN
    while waiting := [side for side in sides if not condition(side)]:
        if time.monotonic() > deadline:
            names = " and ".join(side.name for side in waiting)
            logs = "\n".join(side.observers.tails() for side in waiting)
            raise TimeoutError(f"{names}: waited {START_WITHIN} s in vain for {what}\n{logs}")
        time.sleep(POLL)


def _sleep_until(moment: float) -> None:
    time.sleep(max(moment - time.monotonic(), 0))
