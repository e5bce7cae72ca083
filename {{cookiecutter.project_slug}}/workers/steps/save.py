"""Has tasks with a checkpoint save it when the worker stops: others go on where they were."""

from typing import Any

from celery import bootsteps, signals

from workers.delivery import stopping
from workers.supervision.pulse import pulse


class SaveOnStop(bootsteps.StartStopStep):
    """Tells the tasks of a worker that it stops, whichever way.

    Celery's soft shutdown sleeps in the main process and tells nobody: tasks that could have saved their state in
    these seconds are cut off at their end. A warm stop waits for the longest task: a quarter of an hour for an import
    that another host would go on with at once.
    """

    def __init__(self, worker: Any, **_: Any) -> None:
        stopping.prepare()
        wait = worker.wait_for_soft_shutdown

        def tell_and_wait() -> None:
            self._announce()
            wait()

        worker.wait_for_soft_shutdown = tell_and_wait  # SIGQUIT; it is called before any step hears of the stop
        signals.worker_shutdown.connect(self._forget)
        super().__init__(worker)

    def close(self, _worker: Any) -> None:
        """Called first of all in a stop by SIGTERM or by remote control."""
        self._announce()

    def _announce(self) -> None:
        stopping.announce()
        pulse.stop()

    def _forget(self, **_: object) -> None:
        stopping.forget()
