"""The way of a durable task: into the database with what it belongs to, and to the broker right after the commit."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog
from celery import Celery
from celery.result import AsyncResult
from django.db import DatabaseError, InterfaceError, transaction

from workers.delivery.outbox import sender, store
from workers.delivery.outbox.message import ExpiredError, Recorder
from workers.delivery.outlet import REFUSALS

logger = structlog.get_logger(__name__)


def is_kept(app: Celery, options: Mapping[str, Any]) -> bool:
    """Whether a durable task that is sent with these options goes by way of the outbox.

    Not what runs at once where it is called; not what comes with a connection of its own; and not what beat sends,
    which has a record of each slot and is told what became of it.
    """
    from_beat = "celery_beat_task" in (options.get("headers") or ())
    return not (options.get("connection") or from_beat or app.conf.task_always_eager)


def dispatch(app: Celery, send: Callable[..., AsyncResult[Any]]) -> AsyncResult[Any]:
    """Write the task that `send` would send, and send it after the commit: at once outside of a transaction.

    Raises NotDurableError and DatabaseError: nothing was accepted. Nothing that the broker says is an error here.
    """
    recorder = Recorder(app)
    result = send(producer=recorder)
    message = recorder.message
    if message is None:
        raise AssertionError("Celery published nothing")
    written = store.write(message, ours=sender.is_open(message.queue))
    transaction.on_commit(partial(_hand_over, app, written, recorder.events))
    return result


def _hand_over(app: Celery, written: store.Written, events: list[tuple[Any, dict[str, Any]]]) -> None:
    """Send what was committed; whatever comes in between, a relay sends it later."""
    message = written.message
    if not sender.is_open(message.queue):
        return
    try:
        if written.is_ours():
            sender.send(message, events, app)
            store.forget([written.pk])
    except REFUSALS as error:
        sender.close(error)
        logger.warning(
            "outbox_keeps", task=message.task, task_id=message.task_id, queue=message.queue, reason=str(error)
        )
    except (DatabaseError, InterfaceError) as error:
        logger.warning("outbox_sends_again", task=message.task, task_id=message.task_id, reason=str(error).strip())
    except (ExpiredError, LookupError) as error:
        logger.warning(
            "outbox_keeps", task=message.task, task_id=message.task_id, queue=message.queue, reason=str(error)
        )
