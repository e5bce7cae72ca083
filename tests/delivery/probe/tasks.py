"""The tasks of every group. Each writes down when it begins and when it is done, into the ledger of its host."""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import ctypes
import os
import time
from pathlib import Path
from typing import Any, Final

from celery import Task, shared_task, signals
from django.db import connection, transaction
from probe import ledger
from probe.kinds import STEPS
from workers.delivery.checkpoints import checkpoint
from workers.delivery.idempotency import claim, idempotent

GROUP: Final = __name__.rpartition(".")[2]
#: Here a task leaves a mark before it dies, so that it does so once on each host.
MARKS: Final = Path(os.environ.get(ledger.VARIABLE, "/var/lib/probe/ledger")).with_name("marks")


@signals.worker_ready.connect(weak=False)
def ready(sender: Any, **_: object) -> None:  # noqa: ANN401 - Celery's consumer
    """Write down that the worker of this group takes tasks."""
    if sender.hostname.partition("@")[0] == GROUP:
        ledger.write("ready", GROUP, "")


def record(what: ledger.What, task: str, identifier: str, number: int = 0) -> None:
    """Write down what happens to a task of this group."""
    ledger.write(what, f"{task}.{GROUP}", identifier, by=f"{os.uname().nodename}:{os.getpid()}", number=number)


@shared_task
def note(identifier: str, seconds: float) -> None:
    """Take time."""
    record("began", "note", identifier)
    time.sleep(seconds)
    record("done", "note", identifier)


@shared_task
def later(identifier: str, seconds: float) -> None:
    """Be sent with a countdown."""
    record("began", "later", identifier)
    time.sleep(seconds)
    record("done", "later", identifier)


@shared_task(bind=True, max_retries=3)
def again(self: Task, identifier: str, seconds: float) -> None:
    """Fail the first time, and be retried."""
    record("began", "again", identifier)
    time.sleep(seconds)
    if self.request.retries == 0:
        raise self.retry(countdown=2)
    record("done", "again", identifier)


@shared_task(ignore_result=False)
def answer(identifier: str, seconds: float) -> str:
    """Return something that somebody asks for."""
    record("began", "answer", identifier)
    time.sleep(seconds)
    record("done", "answer", identifier)
    return identifier


@shared_task(durable=True)
def order(identifier: str, seconds: float) -> None:
    """Be sent inside the transaction that wrote the order."""
    record("began", "order", identifier)
    time.sleep(seconds)
    record("done", "order", identifier)


@shared_task
@idempotent(key="{identifier}", ttl=3600)
def pay(identifier: str, seconds: float) -> None:
    """Charge a card. What is counted is the row: a run that finds the payment done writes down nothing."""
    record("began", "pay", identifier)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO charges (payment) VALUES (%s)", [identifier])
        time.sleep(seconds)  # who dies here has charged, unless that is undone with the claim
        claim().complete(identifier)


@shared_task
def stride(identifier: str, seconds: float) -> None:
    """Do long work step by step, and go on where the run before this one ended."""
    record("began", "stride", identifier)
    with checkpoint(seconds=1) as point:
        for number in range(point.state or 0, STEPS):
            time.sleep(seconds)
            record("step", "stride", identifier, number)
            point.reached(number + 1)
    record("done", "stride", identifier)


@shared_task
def fall(identifier: str, seconds: float, how: str) -> None:
    """Take the process down, the first time on each host; `how`: memory or segfault."""
    record("began", "fall", identifier)
    time.sleep(seconds)
    MARKS.mkdir(parents=True, exist_ok=True)
    mark = MARKS / identifier
    if not mark.exists():
        mark.touch()
        DEATHS[how]()
    record("done", "fall", identifier)


@shared_task(loss_pause=1)
def poison() -> None:
    """Take the process down on every run."""
    stumble()


def eat() -> None:
    """Take memory until the kernel ends this process."""
    eaten = []
    while True:
        eaten.append(b"x" * 10_000_000)


def stumble() -> None:
    """Read where nothing is."""
    ctypes.string_at(0)


DEATHS: Final = {"memory": eat, "segfault": stumble}
