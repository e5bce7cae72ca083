"""The faults, as data: how each is caused, how long it lasts, how it is mended, and what stall is allowed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal

from tests.brokers.cluster import Broker, Cluster, Host

Target = Literal["leader", "non-leader", "all"]

ONE_NODE: Final[tuple[Target, ...]] = ("leader", "non-leader")
EVERY_NODE: Final[tuple[Target, ...]] = ("all",)

#: Seconds a client may stall while any one node is dead, whatever kills it; above it the short cut of CI fails.
BOUND: Final = 5.0
#: Seconds that packets of a cut link stay away, in which nobody has noticed yet.
BLIP: Final = 1.5


@dataclass(frozen=True)
class Fault:
    """One kind of fault. `strike` and `mend` get the cluster and the host it is about; durations are seconds.

    `lasts` is the time from the strike to the mending, `settles` what is still watched afterwards: a node's return can
    stall clients as well. `countdowns`: so many tasks with a long countdown are sent before and during it.
    """

    name: str
    strike: Callable[[Cluster, Host], object]
    mend: Callable[[Cluster, Host], object]
    lasts: float
    settles: float
    goals: dict[Broker, float]
    targets: tuple[Target, ...] = ONE_NODE
    countdowns: int = 0


def goals(rabbitmq: float, redis: float) -> dict[Broker, float]:
    """Seconds that no client may stall, by broker."""
    return {"rabbitmq": rabbitmq, "redis": redis}


def _kill(cluster: Cluster, host: Host) -> None:
    host.kill(cluster.unit)


def _start(cluster: Cluster, host: Host) -> None:
    host.run("systemctl", "start", cluster.unit, timeout=60)


def _power_off(_cluster: Cluster, host: Host) -> None:
    host.power_off()


def _boot(_cluster: Cluster, host: Host) -> None:
    host.boot()


def _cut(_cluster: Cluster, host: Host) -> None:
    host.cut()


def _mend(_cluster: Cluster, host: Host) -> None:
    host.mend()


def _partition(cluster: Cluster, host: Host) -> None:
    others = [other.name for other in cluster.hosts if other.name != host.name]
    cluster.fleet.partition([host.name], others)


def _heal(cluster: Cluster, _host: Host) -> None:
    cluster.fleet.heal()


def _restart_each(cluster: Cluster, _host: Host) -> None:
    for host in cluster.hosts:
        host.run("systemctl", "restart", cluster.unit, timeout=60)
        cluster.wait_healthy()


def _at_once(act: Callable[[Host], None], cluster: Cluster) -> None:
    with ThreadPoolExecutor(len(cluster.hosts)) as pool:
        list(pool.map(act, cluster.hosts))


def _all_off(cluster: Cluster, _host: Host) -> None:
    _at_once(lambda host: host.power_off(), cluster)


def _all_on(cluster: Cluster, _host: Host) -> None:
    _at_once(lambda host: host.boot(), cluster)


def _nothing(_cluster: Cluster, _host: Host) -> None:
    """Nothing is left to mend."""


# The goals: 3 s for a RabbitMQ node that dies or is cut off; 5 s where it is cut from its peers only, goes down on
# purpose, or dies while thousands of tasks come due; 5 s for a fail-over of Redis. When all nodes are gone nothing can
# be sent: 30 s are from the dark to working again.
FAULTS: Final = {
    fault.name: fault
    for fault in (
        Fault("kill", _kill, _start, 8, 5, goals(3, 5)),
        Fault("power-loss", _power_off, _boot, 20, 5, goals(3, 5)),
        Fault("link-cut", _cut, _mend, 30, 6, goals(3, 5)),
        Fault("peers-only", _partition, _heal, 20, 6, goals(5, 5)),
        Fault("blip", _cut, _mend, BLIP, 12, goals(3, 5)),
        Fault("countdowns", _power_off, _boot, 20, 8, goals(5, 5), ("leader",), countdowns=2000),
        Fault("rolling", _restart_each, _nothing, 0, 6, goals(5, 5), EVERY_NODE),
        Fault("all-nodes", _all_off, _all_on, 2, 15, goals(30, 30), EVERY_NODE),
    )
}
