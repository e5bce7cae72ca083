"""`workers replace GROUP|WORKER`: new workers for old ones, with no moment without any."""

import click

from workers.commands.output import refuse, stdout
from workers.commands.progress import progress
from workers.commands.refusing import refusing
from workers.derive.unit_names import service_unit, worker_unit
from workers.systemd.draining import Watch
from workers.systemd.installed import loaded_here, no_room, only_replacement, running_units
from workers.systemd.replacing import Replacement
from workers.systemd.systemctl import Systemctl
from workers.topology import Topology
from workers.topology.instances import group_of, spare, workers_named


@click.command()
@click.argument("name", metavar="GROUP|WORKER")
@click.option("--keep-capacity", is_flag=True, help="Refuse where the host's memory holds no worker more.")
@click.option(
    "--patience",
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long a worker may take to become ready.",
)
def replace(*, name: str, keep_capacity: bool, patience: int) -> None:
    """Replace workers of this host by new ones, one after the other, while a spare takes tasks.

    `batch`: all workers of that group here; `batch-2`: that one. First comes `workers check`: what it refuses touches
    nothing. Then batch-spare starts, on the new code; once it is ready each worker drains and starts again; the spare
    finishes what it has and leaves. Where a spare does not come up, or a worker does not come back, it ends there and
    says what runs. Through systemd, so as root.
    """
    with refusing():
        topology = loaded_here().topology
        workers = workers_named(topology, name)
        with only_replacement(topology.project, group_of(name)):
            _replacement(topology, name, workers, keep_capacity=keep_capacity, patience=patience).run()


def _replacement(
    topology: Topology, name: str, workers: list[str], *, keep_capacity: bool, patience: int
) -> Replacement:
    systemctl, project, group = Systemctl(), topology.project, group_of(name)
    own = worker_unit(project, spare(group))
    units = [worker_unit(project, worker) for worker in workers]
    running = running_units(systemctl, project, name) if name == group else []
    old = [unit for unit in running if unit not in (*units, own)]
    room = own in running or _has_room(topology, group, keep_capacity=keep_capacity)
    watch = Watch(systemctl, progress())
    return Replacement(watch, service_unit(project, "check"), units, own if room else None, patience, old)


def _has_room(topology: Topology, group: str, *, keep_capacity: bool) -> bool:
    """Whether the host has memory for a spare."""
    if not (lack := no_room(topology, group)):
        return True
    if keep_capacity:
        refuse([f"{lack}; nothing was touched"])
    stdout.print(f"[yellow]{lack}[/]: each worker drains and starts again, and takes no task in between")
    return False
