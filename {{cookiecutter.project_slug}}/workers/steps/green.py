"""Lets a gevent worker stop at once: its signal handlers may not wait, and Celery's for SIGQUIT does."""

import signal
from typing import Any, Final

from celery import bootsteps

#: What Celery answers by a soft and then a cold shutdown.
COLD: Final = signal.SIGQUIT


class GreenSignals(bootsteps.StartStopStep):
    """Runs Celery's handler in a greenlet of its own.

    In the event loop, where gevent calls it, its first pause raises BlockingSwitchOutError. Celery takes that for a
    crash, and waits for the running tasks without a bound.
    """

    def include_if(self, c: Any) -> bool:
        """Only where the pool is gevent's."""
        return bool(c.pool.is_green)

    def start(self, _consumer: Any) -> None:
        """Take the handler's place; again after each lost connection, which changes nothing."""
        handler = signal.getsignal(COLD)
        if callable(handler) and not isinstance(handler, _InGreenlet):
            signal.signal(COLD, _InGreenlet(handler))


class _InGreenlet:
    """A signal handler."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    def __call__(self, *arguments: Any) -> None:
        import gevent  # noqa: PLC0415 - it patches nothing by itself, but no other pool needs it in memory

        gevent.spawn(self._handler, *arguments)
