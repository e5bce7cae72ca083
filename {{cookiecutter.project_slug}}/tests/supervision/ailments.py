"""What can befall a worker from inside, by remote control; a worker of the test includes this module."""

import os
import subprocess
import sys
import time
from typing import Any

from celery import shared_task
from celery.worker.control import control_command
from gevent import monkey

from workers.delivery.base import Task

#: Not gevent's, which lets the others go on.
_really_sleep = monkey.get_original("time", "sleep")


@control_command()
def deafen(state: Any) -> str:
    """Have the broker send it nothing more; nobody in the worker knows of it."""
    state.consumer.task_consumer.cancel()
    return "done"


@control_command()
def cure(state: Any) -> str:
    """Have it consume again."""
    state.consumer.task_consumer.consume()
    return "done"


@control_command(args=[("seconds", float)])
def block(_state: Any, seconds: float) -> None:
    """Hold up the main loop."""
    _really_sleep(seconds)


def work(seconds: float) -> None:
    """Take a while."""
    time.sleep(seconds)


def names() -> list[str]:
    """The variables of a process that a task starts, and of its own."""
    code = "import os; print(*os.environ)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return [*told.split(), *os.environ]


shared_task(base=Task, name="shop.tasks.batch.work", time_limit=60)(work)
shared_task(base=Task, name="shop.tasks.batch.names", ignore_result=False)(names)
