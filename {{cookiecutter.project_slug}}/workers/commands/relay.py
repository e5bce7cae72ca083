"""`workers relay`: sends what waits in the outbox, and does what else has to be done beside the workers."""

import signal
import sys
from threading import Event

import click
import django

from workers.commands.output import REFUSED, stderr, stdout
from workers.topology import topology


@click.command()
@click.option("--once", is_flag=True, help="Do everything once and say what was done; exit 1 if something failed.")
def relay(*, once: bool) -> None:
    """Send durable tasks that are not yet with the broker.

    Collects dead letters and brings back results, too. Any number of relays may run, on any hosts; one is enough.
    """
    topology()  # a wrong workers.yml is refused here, not in the middle of Django's set-up
    django.setup()
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    if once:
        sys.exit(_do_once(stopping))
    _do_until(stopping)


def _do_until(stopping: Event) -> None:
    import structlog  # noqa: PLC0415

    from config.celery import app  # noqa: PLC0415
    from workers.delivery.duties import duties, work  # noqa: PLC0415 - models exist once Django is set up

    logger = structlog.get_logger(__name__)
    found = duties(app, stopping)
    logger.info("relay_started", duties=[duty.name for duty in found])
    work(found, stopping)
    logger.info("relay_stopped")


def _do_once(stopping: Event) -> int:
    from config.celery import app  # noqa: PLC0415
    from workers.delivery.duties import duties  # noqa: PLC0415

    code = 0
    for duty in duties(app, stopping):
        try:
            stdout.print(f"{duty.name:<14}{duty.run()}")
        except Exception as error:  # noqa: BLE001 - the other duties are not concerned
            stderr.print(f"{duty.name:<14}failed: {error}", style="red")
            code = REFUSED
    return code
