"""`workers run GROUP`: becomes the worker of a group; what a unit starts."""

import os
import sys

import click
from django.conf import settings

from config.env import environment
from workers.commands.output import refuse
from workers.derive.command_line import worker_command
from workers.topology import Group, Loaded, load
from workers.topology.rules import IGNORED, LOCAL_ENVIRONMENTS


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("group")
@click.option(
    "--solo",
    is_flag=True,
    help="One task at a time in the main process, for a debugger; local settings only.",
)
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def run(*, group: str, solo: bool, more: tuple[str, ...]) -> None:
    """Become the worker of GROUP. What follows `--` goes to `celery worker` as it stands."""
    loaded = load()
    if group not in loaded.topology.groups:
        refuse([f"workers.yml has no group {group!r}; its groups: {', '.join(loaded.topology.groups)}"])
    chosen = _debugged(loaded, group) if solo else loaded.topology.groups[group]
    settings.SECRET_KEY  # noqa: B018 - reads the variables of every app, so that all that is missing is said here
    arguments = worker_command(group, chosen, log_level=environment().log_level)
    command = [sys.executable, "-m", "celery", *arguments, *more]
    os.execv(command[0], command)  # noqa: S606 - our own interpreter with our own arguments


def _debugged(loaded: Loaded, name: str) -> Group:
    if loaded.environment not in LOCAL_ENVIRONMENTS:
        refuse(
            [f"--solo is refused in {loaded.environment}: the solo pool runs long tasks twice; debug on a local run"]
        )
    unlimited = dict.fromkeys(IGNORED["solo"])  # a debugger needs no time limit
    return loaded.topology.groups[name].model_copy(update={**unlimited, "pool": "solo", "concurrency": 1})
