"""How workers, databases and disks come to grief; what brokers' nodes suffer is in tests/brokers/faults.py."""

import json
import time
from typing import Final

from rehearsal.host import Host
from tests.brokers.cluster import Cluster
from tests.brokers.faults import FAULTS as BROKER_FAULTS
from tests.delivery import ledger, results
from tests.delivery.ground import Ground
from tests.delivery.memory import Limit
from tests.delivery.workers import LEDGER, PREFORK, START, STOP
from tests.deployed import release
from tests.deployed.postgresql import PORT as DATABASE_PORT
from tests.project.probe import GROUPS
from tests.waiting import until

#: How often children are killed, and the seconds between: a group's slots are busy for about half of the time.
ROUNDS, BETWEEN = 8, 2.0
#: MiB that a unit may take beside what it has: a child that is spawned anew takes 90.
ROOM: Final = 300
#: `celery control shutdown` says so where the workers left before they answered.
NO_ANSWER: Final = 69

#: Drops what comes to a port, from the host itself as well: neighbours would find each other and replace the primary.
_DROP: Final = """\
add table inet away
add chain inet away input {{ type filter hook input priority 0; }}
add rule inet away input tcp dport {port} drop
"""

_MULTI: Final = """\
import json
from pathlib import Path
from config.env import select_settings
select_settings()
import django
django.setup()
from workers.derive.multi import multi_arguments
from workers.topology import topology
folder = Path("/run")
print(json.dumps({verb: multi_arguments(verb, topology(), pid_dir=folder, log_dir=folder) for verb in %r}))
"""


def nothing(_ground: Ground) -> None:
    """Nothing to do."""


def term(ground: Ground) -> None:
    """A restart, as a release does it: TERM, and time to end."""
    ground.struck.restart()


def quit_(ground: Ground) -> None:
    """QUIT: the soft shutdown, then the cold one; the units start them again."""
    ground.struck.signal("QUIT", ground.struck.workers())


def control_shutdown(ground: Ground) -> None:
    """An operator tells the workers of one host to leave; their units start them again."""
    names = ",".join(f"{group}@{ground.struck.host.name}" for group in GROUPS)
    command = ("-m", "celery", "--quiet", "-A", "config", "control", "--destination", names, "shutdown")
    ground.controller.run(ground.links("worker"), *command, allowed=(0, NO_ANSWER))


def to_multi(ground: Ground) -> None:
    """Run the workers of one host by `celery multi` in place of units."""
    host = ground.struck.host
    host.run("systemctl", "stop", *ground.struck.workers(), timeout=STOP)
    known = dict(ground.struck.ready)
    _run_multi(ground, "start")
    until(lambda: _more(ground, known), "celery multi's workers", START)


def stopwait(ground: Ground) -> None:
    """`celery multi stopwait`: returns when all have ended."""
    _run_multi(ground, "stopwait")


def to_units(ground: Ground) -> None:
    """Run them by units again."""
    ground.struck.host.run("systemctl", "stop", "multi-start", "multi-stopwait", check=False)
    ground.struck.start()


def kill_children(ground: Ground, rounds: int = ROUNDS) -> None:
    """SIGKILL to every child of one host, again and again."""
    for _ in range(rounds):
        ground.struck.kill_children()
        time.sleep(BETWEEN)


def limit_memory(ground: Ground) -> None:
    """Give the workers that run children a limit of memory, on all hosts: a task may be run by any."""
    for limit in _limits(ground):
        limit.set()


def lift_limits(ground: Ground) -> None:
    """End that; fails where the kernel had nobody to kill: then nothing was tried."""
    limits = _limits(ground)
    killed = sum(limit.killed for limit in limits)
    for limit in limits:
        limit.lift()
    assert killed, "no child ran out of memory"


def kill_parents(ground: Ground) -> None:
    """SIGKILL to the main process of every group on one host."""
    ground.struck.kill_parents()


def worker_off(ground: Ground) -> None:
    """A worker host's power."""
    ground.struck.host.power_off()


def worker_on(ground: Ground) -> None:
    """Switch it on again."""
    ground.struck.host.boot()


def lead(ground: Ground) -> None:
    """Make the first host of the brokers the leader of every queue, or the primary: it is the one that is struck."""
    ground.cluster.lead(ground.cluster.hosts[0])


def strike(ground: Ground, name: str) -> None:
    """What tests/brokers/faults.py does to the first host under that name."""
    BROKER_FAULTS[name].strike(_cluster(ground), ground.cluster.hosts[0])


def mend(ground: Ground, name: str) -> None:
    """Mend that."""
    BROKER_FAULTS[name].mend(_cluster(ground), ground.cluster.hosts[0])


def results_away(ground: Ground) -> None:
    """Packets to the Redis of the results vanish."""
    for host in ground.results:
        _drop(host, results.PORT)


def results_back(ground: Ground) -> None:
    """Packets arrive again."""
    for host in ground.results:
        _pass(host)


def database_away(ground: Ground) -> None:
    """Packets to the database vanish; the results beside it stay."""
    _drop(ground.database.host, DATABASE_PORT)


def database_back(ground: Ground) -> None:
    """Packets arrive again."""
    _pass(ground.database.host)


def _run_multi(ground: Ground, verb: str) -> None:
    """In a unit of its own: what it starts is neither this process' child nor outside of the host."""
    told = ground.controller.run(ground.links("worker"), "-c", _MULTI % (["start", "stopwait"],)).stdout
    given = (
        f"--unit=multi-{verb}",
        "--service-type=oneshot",
        "--remain-after-exit",
        f"--property=EnvironmentFile={release.ENVIRONMENT}",
        f"--property=WorkingDirectory={release.CODE}",
        f"--setenv={ledger.VARIABLE}={LEDGER}",
    )
    command = ("/usr/bin/python3", "-m", "celery", "multi", *json.loads(told)[verb])
    ground.struck.host.run("systemd-run", *given, *command, timeout=STOP)


def _more(ground: Ground, known: dict[str, int]) -> bool:
    list(ground.struck.entries())
    return all(ground.struck.ready.get(group, 0) > known.get(group, 0) for group in GROUPS)


def _limits(ground: Ground) -> list[Limit]:
    return [Limit(worker.host, unit, ROOM) for worker in ground.workers for unit in worker.workers(PREFORK)]


def _cluster(ground: Ground) -> Cluster:
    cluster: Cluster = ground.cluster
    return cluster


def _drop(host: Host, port: int) -> None:
    host.run("nft", "--file", "-", input=_DROP.format(port=port))


def _pass(host: Host) -> None:
    host.run("nft", "delete", "table", "inet", "away")
