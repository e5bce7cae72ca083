"""`workers brokers`: makes the broker hold what workers.yml asks for, and shows how the brokers are."""

import time
from typing import Final

import click
from rich import box
from rich.table import Table

from config.env import Environment, environment
from workers.brokers.rabbitmq import admin
from workers.brokers.rabbitmq.api import ApiError, NobodyAnswersError
from workers.brokers.rabbitmq.declare import Change, ConflictError, VirtualHost
from workers.commands.output import refuse, stderr, stdout
from workers.derive.broker import is_rabbitmq
from workers.derive.virtual_host import Declared, declared
from workers.topology import load

#: Seconds between two attempts to reach a broker.
PAUSE: Final = 2.0


@click.group()
def brokers() -> None:
    """Declare what the broker is to hold; show how the brokers are."""


@brokers.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 where something is missing or differs.")
@click.option("--wait", default=30, show_default=True, metavar="SECONDS", help="How long to try to reach the broker.")
def declare(*, check: bool, wait: int) -> None:
    """Make RabbitMQ hold the queues, exchanges, bindings and policies that workers.yml asks for.

    Runs before web and workers of a release start: they may not declare anything themselves. Doing it again changes
    nothing. What exists with other arguments is refused, with what to do, before anything is changed. On Redis there
    is nothing to declare.
    """
    topology, env = load().topology, environment()
    if not is_rabbitmq(env.broker_url.get_secret_value()):
        stdout.print("nothing to declare: queues on Redis come with their first message")
        return
    wanted = declared(topology)
    host = VirtualHost(admin.api(env), admin.virtual_host(env))
    try:
        changes = _looked(host, wanted, wait)
        if check and changes:
            refuse([f"{change.kind} {change.name}: to be {change.done}" for change in changes])
        _apply(changes)
        _say(host, wanted, changes)
    except ConflictError as error:
        refuse(str(error).splitlines())
    except ApiError as error:
        refuse([f"BROKER_ADMIN_URL: {error}"])


def _looked(host: VirtualHost, wanted: Declared, wait: int) -> list[Change]:
    """What has to be done. A broker that nobody answers for is asked again until the time is up."""
    deadline = time.monotonic() + wait
    while True:
        try:
            return host.changes(wanted)
        except NobodyAnswersError as error:
            if time.monotonic() + PAUSE > deadline:
                raise
            stderr.print(f"BROKER_ADMIN_URL: {error}; trying again")
        time.sleep(PAUSE)


def _apply(changes: list[Change]) -> None:
    with stderr.status("declaring") as status:
        for number, change in enumerate(changes, 1):
            status.update(f"declaring {number} of {len(changes)}: {change.kind} {change.name}")
            change.apply()


def _say(host: VirtualHost, wanted: Declared, changes: list[Change]) -> None:
    total = len(wanted.exchanges) + len(wanted.queues) + len(wanted.bindings) + len(wanted.policies)
    if changes:
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for heading in ("", "what", "name", ""):
            table.add_column(heading, overflow="fold")
        for change in changes:
            table.add_row(change.done, change.kind, change.name, change.details)
        stdout.print(table, soft_wrap=False)
    stdout.print(f"[green]{host.name}[/]: {len(changes)} declared, {total - len(changes)} already there")
    for stranger in host.strangers(wanted):
        stdout.print(f"[yellow]left alone[/]: queue {stranger}, which no group of workers.yml has")
