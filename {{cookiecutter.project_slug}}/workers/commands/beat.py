"""`workers beat`: schedules; or says who does, what is due, and what was missed."""

from collections.abc import Callable
from datetime import timedelta

import click
import django
from django.db import DatabaseError

from config.env import environment
from workers.brokers.report import Report
from workers.commands.output import refuse
from workers.commands.reports import EPILOG, show
from workers.commands.service import become_celery
from workers.derive.command_line import APP
from workers.topology import topology

as_json = click.option("--json", "as_json", is_flag=True, help="The same as JSON.")


@click.group()
def beat() -> None:
    """Send the periodic tasks; or show who does, what is due, and what was missed."""
    topology()  # a wrong workers.yml is refused here, not in the middle of Django's set-up
    django.setup()


@beat.command()
def run() -> None:
    """Become a scheduler. Any number may run, on any hosts: one sends, and another takes over when it is gone."""
    become_celery("-A", APP, "--quiet", "beat", "--pidfile=", "--loglevel", environment().log_level)


@beat.command(epilog=EPILOG)
@as_json
def status(*, as_json: bool) -> None:
    """Show the schedulers and every entry: when it is due, when it ran.

    Critical: nobody schedules, or what is due is not sent. A warning: a scheduler is missing, so the next fault would
    leave none; or something was missed within a day.
    """
    from workers.beat.report import overview  # noqa: PLC0415 - models exist once Django is set up

    show([_looked(lambda: overview(topology()))], as_json=as_json)


@beat.command(epilog=EPILOG)
@click.option("--hours", default=24, show_default=True, help="How far to look back; a month is kept.")
@as_json
def missed(*, hours: int, as_json: bool) -> None:
    """Show the runs that did not happen when they should have.

    Critical: not sent, or nobody knows whether. A warning: sent late.
    """
    from workers.beat.report import missed_runs  # noqa: PLC0415 - models exist once Django is set up

    show([_looked(lambda: missed_runs(timedelta(hours=hours)))], as_json=as_json)


def _looked(look: Callable[[], Report]) -> Report:
    try:
        return look()
    except DatabaseError as error:
        refuse([f"DATABASE_URL: {str(error).strip()}; is it up, and was `python manage.py migrate` run?"])
