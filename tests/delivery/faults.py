"""The rows of the matrix, as data: how each fault is caused and mended, and what is promised on either broker."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from tests.brokers.cluster import Broker
from tests.delivery import causes, fullness, several
from tests.delivery.ground import Ground
from tests.delivery.promises import NOTHING, Promise

Act = Callable[[Ground], object]


@dataclass(frozen=True)
class Fault:
    """One kind of fault. `prepare` and `clean` happen before the first task is sent and after the last has run."""

    name: str
    title: str
    strike: Act
    mend: Act = causes.nothing
    lasts: float = 0
    """Seconds from the strike's end to the mending."""
    prepare: Act = causes.nothing
    clean: Act = causes.nothing
    death: str = ""
    """How tasks die that take their process down (probe/tasks.py); empty where none is sent."""
    promised: Mapping[Broker, Promise] = field(default_factory=dict)

    def promise(self, broker: Broker) -> Promise:
        """What holds on that broker: nothing may be lost, unless the row says otherwise."""
        return self.promised.get(broker, NOTHING)


def _broker(name: str, title: str, lasts: float, redis: Promise) -> Fault:
    """A fault of the host that leads the brokers."""
    strike, mend = partial(causes.strike, name=name), partial(causes.mend, name=name)
    return Fault(name, title, strike, mend, lasts, prepare=causes.lead, promised={"redis": redis})


#: Two slots of the one group that acknowledges early, on the one host that is struck: what runs there at that moment is
#: in no queue any more.
RUNNING: Final = "what tasks acknowledged early are running"
#: Redis replicates without being asked: what the promoted replica had not yet got is gone. A publish waits for one
#: replica, which need not be that one; a result waits for none.
REPLICATING: Final = "what the promoted replica had not got yet"
#: The file is written once a second.
WRITING: Final = "the last second of the append-only file"

_PARENT: Final[Mapping[Broker, Promise]] = dict.fromkeys(("rabbitmq", "redis"), Promise(early=2, window=RUNNING))
_FAIL_OVER: Final = Promise(late=5, early=5, results=10, window=REPLICATING)
#: Results are written 5 times a second; a primary in the minority takes them until it stops itself, after 3.6 s.
_MINORITY: Final = Promise(late=5, early=5, results=30, window=REPLICATING)
_ALL: Final = Promise(late=40, early=15, results=10, window=WRITING)

FAULTS: Final = {
    fault.name: fault
    for fault in (
        Fault("term", "worker: TERM", causes.term),
        Fault("quit", "worker: QUIT", causes.quit_, lasts=15),
        Fault("control", "worker: `control shutdown`", causes.control_shutdown, lasts=15),
        Fault("multi", "worker: `multi stopwait`", causes.stopwait, causes.to_units, prepare=causes.to_multi),
        Fault("child-kill", "child: KILL", causes.kill_children),
        Fault(
            "child-memory",
            "child: out of memory",
            causes.nothing,
            lasts=25,
            prepare=causes.limit_memory,
            clean=causes.lift_limits,
            death="memory",
        ),
        Fault("child-segfault", "child: segmentation fault", causes.nothing, lasts=25, death="segfault"),
        Fault("parent-kill", "parent: KILL", causes.kill_parents, lasts=15, promised=_PARENT),
        Fault("worker-power", "worker host: power", causes.worker_off, causes.worker_on, 20, promised=_PARENT),
        _broker("kill", "one broker node: KILL", 12, _FAIL_OVER),
        _broker("power-loss", "one broker node: power", 20, _FAIL_OVER),
        _broker("link-cut", "one broker node: link cut 30 s", 30, _MINORITY),
        _broker("peers-only", "partition, the minority leads", 20, _MINORITY),
        _broker("rolling", "rolling restart of all nodes", 0, NOTHING),
        _broker("all-nodes", "all nodes: power", 5, _ALL),
        Fault("results", "results away 60 s", causes.results_away, causes.results_back, 60),
        Fault("database", "database away 60 s", causes.database_away, causes.database_back, 60),
        Fault(
            "disk",
            "a broker's disk full 20 s",
            fullness.fill_disk,
            fullness.free_disk,
            20,
            prepare=fullness.shrink_disk,
            clean=fullness.grow_disk,
        ),
        Fault(
            "memory", "a broker's memory full 20 s", fullness.fill_memory, fullness.free_memory, 20, prepare=causes.lead
        ),
    )
}
#: Several at a time, for the short cut: one cell instead of five, each of which takes its minute.
SHORT: Final = Fault(
    "short",
    "several faults in a row",
    several.strike,
    several.mend,
    several.LASTS,
    prepare=causes.lead,
    promised=_PARENT,
)
KNOWN: Final = {**FAULTS, SHORT.name: SHORT}
