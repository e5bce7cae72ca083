"""Tries again, as long as the worker runs, to send what the broker has not taken."""

from typing import Any, Final

from celery import bootsteps

from workers.delivery import unsent

#: Seconds between two tries: as long as the outlet refuses to try after one in vain.
EVERY: Final = 5.0


class SendUnsent(bootsteps.StartStopStep):
    """A timer of the consumer's."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, c: Any, **options: Any) -> None:
        super().__init__(c, **options)
        self._timer: Any = None

    def start(self, c: Any) -> None:
        """Begin; also after each lost connection."""
        unsent.forget_held()
        self._timer = c.timer.call_repeatedly(EVERY, unsent.try_again)

    def stop(self, c: Any) -> None:
        """End the timer, which belongs to this connection."""
        if self._timer is not None:
            c.timer.cancel(self._timer)

    def shutdown(self, c: Any) -> None:
        """Send the rest: the pool has ended, nothing is added any more."""
        self.stop(c)
        unsent.flush()
