"""`workers brokers`: makes the broker hold what workers.yml asks for, and shows how the brokers are."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Final, NoReturn

import click
from rich import box
from rich.table import Table

from config.env import Environment, environment
from workers.brokers.rabbitmq import admin
from workers.brokers.rabbitmq import status as rabbitmq
from workers.brokers.rabbitmq.api import ApiError, NobodyAnswersError
from workers.brokers.rabbitmq.declare import Change, ConflictError, NoVirtualHostError, VirtualHost
from workers.brokers.redis import status as redis
from workers.brokers.report import Severity
from workers.commands.output import refuse, stderr, stdout
from workers.commands.reports import EPILOG, show
from workers.derive.broker import is_rabbitmq
from workers.derive.virtual_host import Declared, declared
from workers.topology import load

#: Seconds between two attempts to reach a broker.
PAUSE: Final = 2.0
#: What is declared for countdowns comes in 28 steps, which say no more than one of them.
STEPS: Final = "celery_delayed_"


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
        _look_at_redis(env)
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
    except NoVirtualHostError as error:
        refuse([f"BROKER_URL: the broker {error}"])
    except ApiError as error:
        refuse([f"BROKER_ADMIN_URL: {error}"])


@brokers.command(epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def status(*, as_json: bool) -> NoReturn:
    """Show the nodes, what is declared, what waits, and what is wrong; takes five seconds at most.

    Every broker, result backend and cache that the environment names. A RabbitMQ is asked at BROKER_ADMIN_URL; the user
    that ends in _monitoring sees everything.
    """
    topology, env = load().topology, environment()
    with ThreadPoolExecutor(2) as pool:
        looks = [pool.submit(broker.look, env, topology) for broker in (rabbitmq, redis)]
        show([report for look in looks for report in look.result()], as_json=as_json)


def _look_at_redis(env: Environment) -> None:
    """There is nothing to declare; one that would lose or refuse work is refused before anything starts."""
    words, findings = redis.unfit(env)
    stdout.print(f"nothing to declare: queues on Redis come with their first message; {words}")
    for finding in findings:
        stderr.print(f"{finding.severity.name.lower()}: {finding.subject} {finding.message}; {finding.cure}")
    if any(finding.severity == Severity.CRITICAL for finding in findings):
        refuse(["BROKER_URL: this Redis cannot carry tasks"])


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
        for row in _rows(changes):
            table.add_row(*row)
        stdout.print(table, soft_wrap=False)
    stdout.print(f"[green]{host.name}[/]: {len(changes)} declared, {total - len(changes)} already there")
    for stranger in host.strangers(wanted):
        stdout.print(f"[yellow]left alone[/]: queue {stranger}, which no group of workers.yml has")


def _rows(changes: Iterable[Change]) -> Iterator[tuple[str, str, str, str]]:
    for key, group in groupby(changes, lambda change: (change.done, change.kind, _step_or_name(change))):
        first, *more = group
        yield (*key, f"{first.details}, {len(more) + 1} of them" if more else first.details)


def _step_or_name(change: Change) -> str:
    return f"{STEPS}*" if change.name.startswith(STEPS) and change.name[-1].isdigit() else change.name
