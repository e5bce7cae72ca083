"""Remembers how long each queue is. A thread looks every few seconds; whoever sends a task reads what it found."""

import os
from threading import Event, Lock, Thread
from time import monotonic
from typing import Final

import structlog
from celery import Celery, current_app

from workers.delivery.outlet import REFUSALS
from workers.delivery.pressure.gauge import Gauge
from workers.delivery.pressure.state import QueueState, following
from workers.topology import Group, topology

#: Seconds between two looks. A queue that takes a thousand tasks a second is a few thousand longer than was thought.
EVERY: Final = 3.0
#: Seconds after which a state says nothing any more: the broker did not answer since.
STALE: Final = 30.0
#: Seconds without a question after which the thread ends, and leaves the broker.
IDLE: Final = 60.0

logger = structlog.get_logger(__name__)


class Watch:
    """The state of the queues, as far as it is known. The thread begins with the first question."""

    def __init__(self, gauge: Gauge, groups: dict[str, Group]) -> None:
        self._gauge = gauge
        self._groups = groups
        self._states: dict[str, QueueState] = {}
        self._asked = 0.0
        self._starting = Lock()
        self._thread: Thread | None = None
        self._failing = False

    def state(self, queue: str) -> QueueState | None:
        """What is known of the queue; None where nothing is, or nothing any more."""
        self._asked = monotonic()
        if self._thread is None:
            self._start()
        found = self._states.get(queue)
        return found if found and self._asked - found.at < STALE else None

    def look(self) -> None:
        """Count once; a broker that does not answer leaves everything as it was found last."""
        try:
            found = self._gauge.depths(self._groups)
        except REFUSALS as error:
            if not self._failing:
                logger.warning("queues_unknown", reason=str(error), note="senders go by the last look for 30 s")
            self._failing = True
            return
        self._failing = False
        for queue, depth in found.items():
            self._note(queue, following(self._states.get(queue), depth, monotonic(), self._groups[queue]))

    def _note(self, queue: str, state: QueueState) -> None:
        before = self._states.get(queue)
        self._states[queue] = state
        if state.full != (before is not None and before.full):
            logger.warning("queue_full" if state.full else "queue_recovered", queue=queue, waiting=state.depth)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="queues", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        pause = Event()
        try:
            while monotonic() - self._asked < IDLE:
                self.look()
                pause.wait(EVERY)
        finally:
            self._gauge.close()
            self._thread = None


_watch: Watch | None = None


def watch(app: Celery | None = None) -> Watch:
    """This process's watch."""
    global _watch  # noqa: PLW0603
    if _watch is None:
        _watch = Watch(Gauge(app or current_app), dict(topology().groups))
    return _watch


def _after_fork() -> None:
    global _watch  # noqa: PLW0603 - the thread stayed with the parent, and so does its connection
    _watch = None


os.register_at_fork(after_in_child=_after_fork)
