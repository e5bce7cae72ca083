"""One module a command; exit codes are the same for all of them."""

from importlib import import_module
from typing import Final

import click
from django.core.exceptions import ImproperlyConfigured

from config.env import select_settings
from workers.commands.output import REFUSED, refuse
from workers.exits import CONFIGURATION
from workers.topology import TopologyError

#: In the order of `--help`. Each is imported when it is called: `workers up` stays in memory while the project runs.
NAMES: Final = (
    *("check", "show", "run", "up", "units", "drain", "replace", "multi"),
    *("brokers", "beat", "relay", "dead", "release", "inventory", "docs"),
)
#: What units start.
SERVICES: Final = frozenset({"run", "beat", "relay"})


class _Commands(click.Group):
    """Turns what is wrong with the files or the environment into lines for the operator, never into a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands."""
        return list(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Find a command in the module of its name."""
        if cmd_name not in NAMES:
            return None
        command: click.Command = getattr(import_module(f"workers.commands.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a refusal ends in exit code REFUSED, or CONFIGURATION where a service was to start."""
        try:
            return super().invoke(ctx)
        except TopologyError as error:
            reasons, codes = [str(problem) for problem in error.problems], [problem.code for problem in error.problems]
        except ImproperlyConfigured as error:
            reasons, codes = [str(error)], []
        return refuse(reasons, codes, CONFIGURATION if ctx.invoked_subcommand in SERVICES else REFUSED)


@click.group(
    cls=_Commands,
    epilog=f"Exit codes: 0 done; {REFUSED} refused, with the reasons; 2 wrong usage; {CONFIGURATION} the same of run, "
    "beat and relay, which units do not start again then.",
)
def main() -> None:
    """The worker groups of this project: what they are, whether they would run, and running them."""
    select_settings()
