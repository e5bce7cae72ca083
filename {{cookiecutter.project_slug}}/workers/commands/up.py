"""`workers up`: the whole project on this machine."""

import os
import shlex
import subprocess
import sys
from contextlib import ExitStack
from urllib.parse import urlsplit

import click

from config.env import Environment, environment
from workers.commands.output import refuse, stdout
from workers.derive.broker import is_rabbitmq
from workers.derive.local_processes import local_processes
from workers.local.preflight import CannotStartError, check_disk, check_ports, only_run
from workers.local.redis_server import NoRedisServerError, embedded_redis
from workers.local.runner import DrainingManager
from workers.topology import Topology, load
from workers.topology.budgets import stop_timeout
from workers.topology.load import ROOT
from workers.topology.rules import LOCAL_ENVIRONMENTS

LOCAL = ROOT / ".local"


@click.command()
def up() -> None:
    """Run the whole project on this machine.

    Web, every worker group, the relay, beat and Flower, on the embedded Redis where .env asks for it.

    Ctrl-C stops everything in order and lets running tasks finish; a second Ctrl-C kills.
    """
    loaded = load()
    if loaded.environment not in LOCAL_ENVIRONMENTS:
        refuse([f"`workers up` is for ENVIRONMENT=local; this is {loaded.environment}, where systemd runs the groups"])
    os.chdir(ROOT)
    LOCAL.mkdir(exist_ok=True)
    if stdout.is_terminal:
        os.environ["FORCE_COLOR"] = "1"  # the processes write into our pipe, not to the terminal
    try:
        sys.exit(_run(loaded.topology))
    except (CannotStartError, NoRedisServerError) as error:
        refuse([str(error)])


def _run(topology: Topology) -> int:
    with ExitStack() as stack:
        stack.enter_context(only_run(LOCAL / "up.lock"))
        _check()
        env = environment()
        check_disk(LOCAL)
        check_ports(_ports(env))
        if env.embedded_redis:
            stack.enter_context(embedded_redis(env.broker_url.get_secret_value(), LOCAL / "redis"))
        _declare(env)
        _prepare(topology)
        _say_where(env)
        manager = DrainingManager(local_processes(topology), max(map(stop_timeout, topology.groups.values())))
        manager.loop()
        return int(manager.returncode or 0)


def _ports(env: Environment) -> dict[str, int]:
    ports = {"WEB_PORT": env.web_port, "FLOWER_PORT": env.flower_port}
    if env.embedded_redis:
        ports["BROKER_URL"] = urlsplit(env.broker_url.get_secret_value()).port or 6379
    return ports


def _declare(env: Environment) -> None:
    """What a deploy does: on RabbitMQ nobody else may. BROKER_ADMIN_URL says where; RabbitMQ's defaults need none."""
    if is_rabbitmq(env.broker_url.get_secret_value()):
        stdout.print("[dim]workers brokers declare[/]")
        done = _python("-m", "workers", "brokers", "declare")
        if done.returncode:
            raise CannotStartError(done.stderr.rstrip())


def _prepare(topology: Topology) -> None:
    for command in topology.local.prepare:
        stdout.print(f"[dim]manage.py {command}[/]")
        done = _python("manage.py", *shlex.split(command))
        if done.returncode:
            raise CannotStartError(
                f"`manage.py {command}` failed (local.prepare in workers.yml):\n{done.stdout}{done.stderr}"
            )


def _check() -> None:
    """`workers check`, in a process of its own: this one stays small, and is there as long as the project runs."""
    done = _python("-m", "workers", "check")
    if done.returncode:
        raise CannotStartError(done.stderr.rstrip())


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)  # noqa: S603


def _say_where(env: Environment) -> None:
    stdout.print(f"[bold]web[/]     {env.site_url}")
    stdout.print(
        f"[bold]flower[/]  http://127.0.0.1:{env.flower_port} (user {env.flower_user}; FLOWER_PASSWORD in .env)"
    )
    stdout.print("[dim]Ctrl-C stops everything in order.[/]")
