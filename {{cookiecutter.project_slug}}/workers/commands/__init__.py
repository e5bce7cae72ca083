"""One module a command; exit codes are the same for all of them."""

import click
from django.core.exceptions import ImproperlyConfigured

from config.env import select_settings
from workers.commands.check import check
from workers.commands.docs import docs
from workers.commands.output import REFUSED, refuse
from workers.commands.run import run
from workers.commands.show import show
from workers.commands.up import up
from workers.topology import TopologyError


class _Commands(click.Group):
    """Turns what is wrong with the files or the environment into lines for the operator, never into a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            select_settings()
            return super().invoke(ctx)
        except TopologyError as error:
            refuse([str(problem) for problem in error.problems], [problem.code for problem in error.problems])
        except ImproperlyConfigured as error:
            refuse([str(error)])
        return None


@click.group(cls=_Commands, epilog=f"Exit codes: 0 done; {REFUSED} refused, with the reasons; 2 wrong usage.")
def main() -> None:
    """The worker groups of this project: what they are, whether they would run, and running them."""


for command in (check, show, run, up, docs):
    main.add_command(command)
