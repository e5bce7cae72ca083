"""manage.py demo: real work for every group of the running project, and a report of what became of it."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from config.celery import app
from config.env import environment as project
from shop.demo import report
from shop.demo.api import Api, ApiError
from shop.demo.events import Listener, NothingHeardError
from shop.demo.progress import Bars, Lines
from shop.demo.work import Work
from shop.env import environment
from workers.topology import topology

# Seconds for the events of what the pages already show as done: workers send them in batches.
LAST_EVENTS = 10


class Command(BaseCommand):
    """Orders over HTTP, a catalogue, slips, a newsletter and a report; then the figures."""

    help = "Give the running project real work, wait for it, and report per group. Exit 1 if any did not finish."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--orders", type=int, default=300, help="how many orders to place (300)")
        parser.add_argument("--timeout", type=float, default=90, help="seconds until it gives up (90)")
        parser.add_argument("--site", default=project().site_url, help="where the project answers")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the work, wait and report."""
        if not environment().sandbox:
            raise CommandError(
                "refused: it orders with test cards, and here a real provider would be asked to charge them"
            )
        console = Console()
        slips = sorted((settings.DATA_DIR / "slips").glob("*.png"))
        api = Api(options["site"], environment().shop_api_token.get_secret_value())
        work = Work(api, options["orders"], slips, options["timeout"])
        progress = Bars if console.is_terminal else Lines
        try:
            with Listener(app) as listener, progress(console, work.everything) as shown:
                work.do(shown.show)
                listener.tasks.wait_until_ended(LAST_EVENTS)
        except (ApiError, NothingHeardError) as error:
            raise CommandError(str(error)) from error
        tasks = listener.tasks
        for part in (
            report.table(topology().groups, tasks),
            report.summary(work),
            report.addresses(options["site"]),
        ):
            console.print("", part)
        if problems := list(report.problems(work, tasks)):
            raise CommandError("\n".join(problems))
