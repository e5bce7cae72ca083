"""What befalls a worker from inside, by remote control; appended to the probe of each group."""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import os

from celery.worker.control import control_command
from gevent import monkey

#: Not gevent's, which lets the others go on.
really_sleep = monkey.get_original("time", "sleep")

if os.environ.get("PROBE_HANGS"):
    really_sleep(3600)


@control_command()
def deafen(state):  # noqa: ANN001, ANN201 - Celery's
    """Have the broker send nothing more; nobody in the worker knows of it."""
    state.consumer.task_consumer.cancel()
    return "done"


@control_command(args=[("seconds", float)])
def block(_state, seconds) -> None:  # noqa: ANN001 - Celery's
    """Hold up the main loop."""
    really_sleep(seconds)
