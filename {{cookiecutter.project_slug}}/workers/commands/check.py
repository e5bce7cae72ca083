"""`workers check`: refuses what would fail in production."""

import os

import click
import django

from workers.commands.output import stdout
from workers.topology import Loaded, Problem, TopologyError, current_environment, load
from workers.topology.host import check_host
from workers.topology.tasks import CELERYS_OWN


@click.command()
@click.option("--environment", "-e", help="Check the sizes of this environment instead of the current one.")
def check(environment: str | None) -> None:
    """Refuse what would fail in production.

    Holds workers.yml against its rules, the environment's variables, the project's tasks and their schedule, and this
    host. With --environment NAME the host is left out: the sizes are for hosts elsewhere.
    """
    loaded = load(environment=environment)
    tasks = verify(loaded)
    groups = len(loaded.topology.groups)
    stdout.print(f"[green]workers.yml is sound[/] for {loaded.environment}: {groups} groups, {tasks} tasks.")


def verify(loaded: Loaded) -> int:
    """Return the number of the project's tasks; raise TopologyError for what they or this host contradict."""
    django.setup()  # reads and checks every variable of the environment
    from config.celery import app  # noqa: PLC0415 - exists once the topology is known to be readable
    from workers.beat import code  # noqa: PLC0415
    from workers.startup import task_problems  # noqa: PLC0415

    problems = task_problems(app, loaded) + code.problems(app.conf.beat_schedule)
    if loaded.environment == current_environment():
        problems += _host_problems(loaded)
    if problems:
        raise TopologyError(problems)
    return sum(not name.startswith(CELERYS_OWN) for name in app.tasks)


def _host_problems(loaded: Loaded) -> list[Problem]:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    return [loaded.placed(problem) for problem in check_host(loaded.topology, loaded.environment, memory)]
