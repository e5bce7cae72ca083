"""The project's application, with tasks that note in the ledger what they did: a worker's `-A tests.delivery.work`."""

import os
import time
from pathlib import Path
from typing import Any

from celery import Task as CeleryTask
from django.db import connection, transaction

from config.celery import app
from tests.delivery import answers

__all__ = ["answers", "app"]


def note(name: str, item: int, run: object = "") -> None:
    """Write a line into the ledger."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO ledger (name, item, run) VALUES (%s, %s, %s)", [name, item, str(run)])


def hold_at(place: str, at: str, folder: str, seconds: float = 60) -> None:
    """Where `place` is the one, say in `folder` that this process is there, and wait until the test says go."""
    if place != at or not folder:
        return
    (Path(folder) / f"{at}.pid").write_text(str(os.getpid()), encoding="ascii")
    deadline = time.monotonic() + seconds
    while not (Path(folder) / "go").exists():
        if time.monotonic() > deadline:
            raise TimeoutError(at)
        time.sleep(0.02)


@app.task(
    name="shop.tasks.batch.charge_once", bind=True, ignore_result=False, loss_pause=0.1, time_limit=6, soft_time_limit=5
)
def charge_once(self: CeleryTask[Any, Any], key: str, at: str = "", folder: str = "", seconds: float = 0) -> Any:
    """Charge under `key`, exactly once; see hold_at for `at` and `folder`."""
    from tests.delivery.charging import charge

    return charge(key, at=at, folder=folder, seconds=seconds, run=self.request.id)


@app.task(name="shop.tasks.batch.charge_in_redis", loss_pause=0.1, time_limit=6, soft_time_limit=5)
def charge_in_redis(key: str, seconds: float = 0) -> Any:
    """The same, claimed in Redis."""
    from tests.delivery.charging import charge_by_redis

    return charge_by_redis(key, seconds=seconds)


@app.task(name="shop.tasks.batch.walk", bind=True, acks_late=True, loss_pause=0.1)
def walk(self: CeleryTask[Any, Any], name: str, items: int, pause: float = 0.1, folder: str = "/nowhere") -> None:
    """Note the numbers up to `items`, each once, with a checkpoint in each one's transaction; run when told to go."""
    from workers.delivery.checkpoints import checkpoint

    go = Path(folder, "go")

    with checkpoint() as point:
        done = point.state or 0
        while done < items:
            time.sleep(0 if go.exists() else pause)
            with transaction.atomic():
                note(name, done, self.request.hostname)
                done += 1
                point.save(done)
            point.leave_if_asked()


@app.task(name="shop.tasks.batch.stroll", bind=True, acks_late=True, soft_time_limit=2, time_limit=20)
def stroll(self: CeleryTask[Any, Any], name: str, items: int, pause: float = 0.1) -> None:
    """Note the numbers up to `items`; what was noted since the last write may be noted again."""
    from workers.delivery.checkpoints import checkpoint

    with checkpoint(seconds=60) as point:
        for item in range(point.state or 0, items):
            time.sleep(pause)
            note(name, item, self.request.hostname)
            point.reached(item + 1)


@app.task(name="shop.tasks.batch.linger", ignore_result=False)
def linger(name: str, item: int, folder: str = "") -> None:
    """Note that it ran; with a `folder`, stay until the test says go."""
    note(name, item)
    hold_at("here", "here", folder)


@app.task(name="shop.tasks.batch.again", bind=True, ignore_result=False, max_retries=50)
def again(self: CeleryTask[Any, Any], name: str) -> None:
    """Note each run, and retry."""
    note(name, self.request.retries)
    raise self.retry(countdown=1)
