"""What the relay does, each thing again and again, beside each other: a store that hangs holds up nobody else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic
from typing import Final

import structlog
from celery import Celery
from django.db import close_old_connections, connection

from workers.delivery.dead import collect, retention
from workers.delivery.models import checkpoints, claims
from workers.delivery.outbox.relay import Relay
from workers.delivery.results import drain
from workers.supervision.notify import status, systemd

#: Seconds between two attempts of a duty that fails again and again: what was away is used so soon after its return.
LONGEST_PAUSE: Final = 10.0
#: Seconds a stop waits for duties that are under way; each ends what it is at, or is left to the next relay.
STOP_WITHIN: Final = 5.0
#: Seconds after which a duty that is not done once is taken for stuck, and the relay for one that systemd replaces.
STUCK: Final = 1800.0
#: Seconds between two signs of life.
ALIVE_EVERY: Final = 5.0

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Duty:
    """Something to do every so many seconds."""

    name: str
    every: float
    run: Callable[[], int]
    """Does it once; how many things were done. What it raises is logged, and it is tried again."""


def duties(app: Celery, stopping: Event) -> list[Duty]:
    """All of the relay's."""
    return [
        Duty("outbox", 1.0, Relay(app, stopping.is_set).send_once),
        Duty("dead letters", 5.0, collect.collect_once),
        Duty("results", 5.0, drain.drain_once),
        Duty("old letters", 3600.0, retention.forget_old),
        Duty("claims", 60.0, claims.remove_expired),
        Duty("checkpoints", 3600.0, checkpoints.remove_abandoned),
    ]


def work(all_of_them: Sequence[Duty], stopping: Event) -> None:
    """Do each duty in its time until `stopping` is set; returns at most STOP_WITHIN seconds after."""
    due: dict[str, float] = {}
    threads = [
        Thread(
            target=_repeat, args=(duty, stopping, due), name=duty.name, daemon=True
        )  # a hanging one must not hold up a stop
        for duty in all_of_them
    ]
    for thread in threads:
        thread.start()
    systemd().tell("READY=1", status(f"{len(threads)} duties"))
    while not stopping.wait(ALIVE_EVERY):
        _tell(due)
    systemd().tell("STOPPING=1")
    for thread in threads:
        thread.join(STOP_WITHIN / len(threads))


def _tell(due: dict[str, float]) -> None:
    """Give systemd a sign of life, unless a duty is stuck."""
    stuck = [name for name, moment in due.copy().items() if moment < monotonic()]
    systemd().tell(*([status(f"stuck: {', '.join(stuck)}")] if stuck else ["WATCHDOG=1"]))


def _repeat(duty: Duty, stopping: Event, due: dict[str, float]) -> None:
    """`due`: by when each duty is to have been done again."""
    pause = duty.every
    while not stopping.is_set():
        due[duty.name] = monotonic() + STUCK
        close_old_connections()  # and have the one that is kept tested: the database may have been restarted
        try:
            done = duty.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on, and so does this one
            pause = min(2 * pause, max(duty.every, LONGEST_PAUSE))
            logger.warning("duty_failed", duty=duty.name, reason=_said(error), next_try=f"in {pause:g} s")
            connection.close()
        else:
            pause = duty.every
            if done:
                logger.info("duty_done", duty=duty.name, count=done)
        due[duty.name] = monotonic() + pause + STUCK
        stopping.wait(pause)
    connection.close()


def _said(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
