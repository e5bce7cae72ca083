"""Notes that the worker consumes, and that its main loop turns: what workers/supervision/ goes by."""

from typing import Any, Final

from celery import bootsteps

from workers.supervision.pulse import pulse

#: Seconds between two notes that the loop turns.
EVERY: Final = 1.0


class Pulse(bootsteps.StartStopStep):
    """A timer of the event loop's. A gevent worker has no such loop: the consumer notes each round of its own."""

    requires = ("celery.worker.consumer.tasks:Tasks", "workers.steps.declare:DeclareTopology")

    def __init__(self, c: Any, **options: Any) -> None:
        super().__init__(c, **options)
        self._timer: Any = None

    def start(self, c: Any) -> None:
        """Begin; also after each lost connection."""
        pulse.consume(c.initial_prefetch_count)
        if c.hub:
            self._timer = c.timer.call_repeatedly(EVERY, pulse.turn)

    def stop(self, c: Any) -> None:
        """End the timer, which belongs to this connection; the next one begins anew."""
        if self._timer is not None:
            c.timer.cancel(self._timer)
        pulse.wait("the broker: the connection was lost")
