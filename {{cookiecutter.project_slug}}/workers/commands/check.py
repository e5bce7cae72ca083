"""`workers check`: refuses what would fail in production."""

import os

import click
import django

from workers.commands.output import refuse, stdout
from workers.topology import Loaded, Problem, current_environment, load
from workers.topology.host import check_host


@click.command()
@click.option("--environment", "-e", help="Check the sizes of this environment instead of the current one.")
def check(environment: str | None) -> None:
    """Validate workers.yml against its rules, the environment's variables, the project's tasks and this host.

    With --environment NAME the host is left out: the sizes are for hosts elsewhere.
    """
    loaded = load(environment=environment)
    problems, tasks = _check_tasks(loaded)
    if loaded.environment == current_environment():
        problems += [loaded.placed(problem) for problem in check_host(loaded.topology, loaded.environment, _memory())]
    if problems:
        refuse([str(problem) for problem in problems], [problem.code for problem in problems])
    stdout.print(
        f"[green]workers.yml is sound[/] for {loaded.environment}: {len(loaded.topology.groups)} groups, {tasks} tasks."
    )


def _check_tasks(loaded: Loaded) -> tuple[list[Problem], int]:
    django.setup()
    from config.celery import app  # noqa: PLC0415 - the application exists once the topology is known to be readable
    from workers.startup import task_problems  # noqa: PLC0415

    problems = task_problems(app, loaded)
    return problems, sum(not name.startswith("celery.") for name in app.tasks)


def _memory() -> int:
    """MiB of memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
