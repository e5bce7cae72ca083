"""What Redis loses: writes that it acknowledged and that are gone after a fault. Prints a row for each fault.

Usage: python -m tests.brokers.losses [--fleet NAME] [--fault NAME]... [--what writes|tasks] [--runs N] [--lag SECONDS]
                                      [--keep] [--rows FILE]

A process sends numbered tasks, or appends numbers to a list (`writes`: what results, locks and the cache are), 100 to
200 a second, through the project's own client. Each that is acknowledged is noted with its time. After the fault the
list is read from whoever is primary then, and compared. No worker runs: what is gone was not taken by anybody.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.brokers.clients import Clients
from tests.brokers.fleets import ROOT
from tests.brokers.observers import project as observed_project
from tests.brokers.observers.processes import Observers
from tests.brokers.redis import Redis
from tests.waiting import until

#: Seconds that the writer writes before the fault, and after everything is well again.
BEFORE, AFTER = 3.0, 3.0
#: Seconds for which hosts stay without power, and the primary cut off from its peers.
DURATION: Final = 8.0

#: Goes on until it is killed; writes "NUMBER TIME" for each number that was acknowledged.
WRITER: Final = """
import time
from config.env import select_settings
select_settings()
import django
django.setup()
{preparation}
number = 0
print("up", flush=True)
while True:
    number += 1
    try:
        {write}
        print(number, time.monotonic(), flush=True)
    except Exception as error:
        print(f"failed {{type(error).__name__}}", flush=True)
    time.sleep(0.005)
"""
PREPARATIONS: Final = {
    "tasks": "from probe.tasks.priority import observe",
    "writes": """
from config.env import environment
from workers.brokers.redis.client import client
from workers.derive import redis, sentinel
env = environment()
url = env.broker_url.get_secret_value()
sentinels = sentinel.arguments(env.sentinels, env.tls_ca_file)
writer = client(url, sentinels, variable="BROKER_URL", **(redis.tls(url, env.tls_ca_file) or {}))
""",
}
WRITES: Final = {
    "tasks": 'observe.apply_async(("now", "", 0.0), task_id=str(number))',
    "writes": 'writer.rpush("observed:priority", number)',
}


@dataclass(frozen=True)
class Loss:
    """One run: how many writes were acknowledged, how many of them are gone, and over how many seconds these lie."""

    fault: str
    what: str
    lag: int
    acknowledged: int
    lost: int
    span: float


def killed(cluster: Redis) -> None:
    """The primary's process, while the host lives."""
    cluster.primary().kill(cluster.unit)


def without_power(cluster: Redis) -> None:
    """The primary's host, for a while."""
    primary = cluster.primary()
    primary.power_off()
    time.sleep(DURATION)
    primary.boot()


def in_the_minority(cluster: Redis) -> None:
    """The primary is cut off from its peers; clients reach them all."""
    primary = cluster.primary()
    others = [host.name for host in cluster.hosts if host is not primary]
    cluster.fleet.partition([primary.name], others)
    time.sleep(2 * DURATION)
    cluster.fleet.heal()


def all_without_power(cluster: Redis) -> None:
    """All hosts at once. Their kernels' memory survives here, so what was not yet synchronised to disk does, too."""
    for host in cluster.hosts:
        host.power_off()
    for host in cluster.hosts:
        host.boot()


FAULTS: Final[dict[str, Callable[[Redis], None]]] = {
    "process killed": killed,
    "power lost": without_power,
    "primary in the minority": in_the_minority,
    "power of all lost": all_without_power,
}


def measure(cluster: Redis, clients: Clients, fault: str, what: str, lag: int) -> Loss:
    """Cause the fault once, and count."""
    cluster.wait_healthy()
    cluster.clear()
    for host in cluster.hosts:
        cluster.cli(host, "broker", "config", "set", "min-replicas-max-lag", str(lag))
    with clients.observers() as observers:
        acknowledged = _written(cluster, clients, observers, fault, what)
    cluster.wait_healthy()
    kept = _kept(cluster, what)
    gone = sorted(at for number, at in acknowledged.items() if number not in kept)
    return Loss(fault, what, lag, len(acknowledged), len(gone), gone[-1] - gone[0] if gone else 0.0)


def _kept(cluster: Redis, what: str) -> set[int]:
    lines = cluster.cli(cluster.primary(), "broker", "lrange", "observed:priority", "0", "-1").splitlines()
    return {int(line if what == "writes" else json.loads(line)["headers"]["id"]) for line in lines}


def _written(cluster: Redis, clients: Clients, observers: Observers, fault: str, what: str) -> dict[int, float]:
    """Number -> time of all writes that were acknowledged around the fault."""
    program = WRITER.format(preparation=PREPARATIONS[what], write=WRITES[what])
    writer = observers.start("writer", [str(clients.project.python), "-c", program], clients.environment())
    until(lambda: writer.says("up"), "the writer", 30)
    time.sleep(BEFORE)
    FAULTS[fault](cluster)
    cluster.wait_healthy()
    time.sleep(AFTER)
    writer.kill()
    lines = [line.split() for line in writer.log.read_text(encoding="utf-8").splitlines()]
    return {int(line[0]): float(line[1]) for line in lines if len(line) == 2 and line[0].isdigit()}


def table(losses: Sequence[Loss]) -> Table:
    """A row for each fault and lag: median and maximum over its runs."""
    columns = ("fault", "of", "lag s", "runs", "acknowledged", "lost, median", "lost, most", "within s")
    grid = Table(*columns, title="Lost by Redis")
    for kind in dict.fromkeys((loss.fault, loss.what, loss.lag) for loss in losses):
        own = [loss for loss in losses if (loss.fault, loss.what, loss.lag) == kind]
        lost = [loss.lost for loss in own]
        figures = (len(own), sum(loss.acknowledged for loss in own), f"{median(lost):g}", max(lost))
        grid.add_row(*map(str, (*kind, *figures)), f"{max(loss.span for loss in own):.1f}")
    return grid


def main(arguments: Sequence[str]) -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(prog="python -m tests.brokers.losses", description=__doc__)
    parser.add_argument("--fleet", default="rd-losses", help="the fleet the cluster lives in")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="default: all of them")
    parser.add_argument("--what", choices=WRITES, default="tasks", help="what is sent")
    parser.add_argument("--runs", type=int, default=3, help="how often each is caused")
    parser.add_argument("--lag", type=int, default=3, help="min-replicas-max-lag, in seconds")
    parser.add_argument("--keep", action="store_true", help="leave the cluster up")
    parser.add_argument("--rows", type=Path, default=ROOT / "build/brokers/losses.json", help="where rows are kept")
    given = parser.parse_args(arguments)
    cluster = Redis(given.fleet)
    try:
        losses = _measured(cluster, given)
    finally:
        if not given.keep:
            cluster.down()
    Console(width=120).print(table(losses))


def _measured(cluster: Redis, given: argparse.Namespace) -> list[Loss]:
    cluster.up()
    folder = ROOT / f"build/brokers/{given.fleet}/losses"
    clients = Clients(cluster, observed_project.make(folder / "project"), folder)
    losses = [Loss(**row) for row in json.loads(given.rows.read_text())] if given.rows.exists() else []
    for fault in given.fault or FAULTS:
        for _ in range(given.runs):
            losses.append(measure(cluster, clients, fault, given.what, given.lag))
            print(losses[-1], file=sys.stderr)  # noqa: T201 - it takes minutes
            given.rows.write_text(json.dumps([asdict(loss) for loss in losses], indent=1), encoding="utf-8")
    return losses


if __name__ == "__main__":
    main(sys.argv[1:])
