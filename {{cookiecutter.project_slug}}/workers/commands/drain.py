"""`workers drain GROUP|WORKER`: takes workers of this host out of service without losing a task."""

import click

from workers.commands.progress import progress
from workers.commands.refusing import refusing
from workers.derive.unit_names import worker_unit
from workers.systemd import draining
from workers.systemd.draining import Watch
from workers.systemd.installed import loaded_here, running_units
from workers.systemd.systemctl import Systemctl
from workers.topology import Topology
from workers.topology.instances import workers_named


@click.command()
@click.argument("names", metavar="GROUP|WORKER...", nargs=-1, required=True)
def drain(names: tuple[str, ...]) -> None:
    """Take workers of this host out of service: no new task, finish what they have, leave.

    `batch`: all workers of that group here; `batch-2`: that one. Through systemd, so as root; each gets as long as its
    unit's TimeoutStopSec, which is above the longest task. They stay away until the host boots or somebody starts
    them. Exit code 0 only if every one has left by itself.
    """
    with refusing():
        topology = loaded_here().topology
        systemctl = Systemctl()
        units = dict.fromkeys(unit for name in names for unit in _units(systemctl, topology, name))
        draining.drain(Watch(systemctl, progress()), list(units))


def _units(systemctl: Systemctl, topology: Topology, name: str) -> list[str]:
    """A group's are those of workers.yml, and whatever else of it runs."""
    units = [worker_unit(topology.project, worker) for worker in workers_named(topology, name)]
    return units + (running_units(systemctl, topology.project, name) if name in topology.groups else [])
