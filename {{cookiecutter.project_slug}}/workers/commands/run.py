"""`workers run WORKER`: becomes one of a group's workers; what a unit starts."""

import click
from django.conf import settings

from config.env import environment
from workers.commands.output import refuse
from workers.commands.service import become_celery
from workers.derive.command_line import worker_command
from workers.exits import CONFIGURATION
from workers.topology import Group, Loaded, load
from workers.topology.instances import UnknownWorkerError, group_of, worker_named
from workers.topology.rules import IGNORED, LOCAL_ENVIRONMENTS


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("worker")
@click.option(
    "--solo",
    is_flag=True,
    help="One task at a time in the main process, for a debugger; local settings only.",
)
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def run(*, worker: str, solo: bool, more: tuple[str, ...]) -> None:
    """Become a worker: `batch`, or `batch-2` where the group batch has several. What follows `--` goes to Celery."""
    loaded = load()
    try:
        group = group_of(worker_named(loaded.topology, worker))
    except UnknownWorkerError as error:
        refuse([str(error)], exit_code=CONFIGURATION)
    chosen = _debugged(loaded, group) if solo else loaded.topology.groups[group]
    settings.SECRET_KEY  # noqa: B018 - reads the variables of every app, so that all that is missing is said here
    arguments = worker_command(worker, chosen, log_level=environment().log_level)
    become_celery(*arguments, *more)


def _debugged(loaded: Loaded, name: str) -> Group:
    if loaded.environment not in LOCAL_ENVIRONMENTS:
        refuse(
            [f"--solo is refused in {loaded.environment}: the solo pool runs long tasks twice; debug on a local run"]
        )
    unlimited = dict.fromkeys(IGNORED["solo"])  # a debugger needs no time limit
    return loaded.topology.groups[name].model_copy(update={**unlimited, "pool": "solo", "concurrency": 1})
