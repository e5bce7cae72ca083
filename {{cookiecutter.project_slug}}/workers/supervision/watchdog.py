"""Looks after a worker from inside: tells systemd how it is, and that it lives as long as it consumes.

A worker can be alive and deaf: its consumer is gone, or its connection, and nobody has told it. So WATCHDOG=1 is sent
only while consumption is proved (look.py). What is not is replaced by systemd after the unit's WatchdogSec: SIGABRT,
upon which PYTHONFAULTHANDLER prints where each thread is.

The thread lives in the worker's main process. A child is forked between two looks, never during one: it would inherit
locks that nobody in it can release. Under gevent the thread is a greenlet, so it proves that the event loop turns.
"""

import os
from contextlib import suppress
from threading import Lock, Thread
from time import monotonic, sleep, time
from typing import Any, Final

import structlog
from celery.worker import state

from workers.delivery import unsent
from workers.delivery.outlet import REFUSALS
from workers.delivery.pressure.gauge import Gauge
from workers.derive.broker import is_rabbitmq
from workers.process import current_group
from workers.supervision.look import Look, doubt
from workers.supervision.notify import status, systemd
from workers.supervision.pulse import pulse
from workers.topology.budgets import longest_run
from workers.topology.instances import group_of

#: Seconds between two looks: what `systemctl status` shows is so old at most. WatchdogSec is a dozen of them.
EVERY: Final = 5.0
#: The same while the worker stops: whoever drains it looks on.
STOPPING_EVERY: Final = 1.0

logger = structlog.get_logger(__name__)

_looking: Final = Lock()
os.register_at_fork(before=_looking.acquire, after_in_parent=_looking.release, after_in_child=_looking.release)


def begin(consumer: Any) -> None:
    """Say that a worker consumes, once, and look after it from now on."""
    if pulse.ready:
        return
    pulse.ready = True
    if systemd().listens:
        watchdog = Watchdog(consumer)
        systemd().tell("READY=1", status(f"{watchdog.name}: ready"))
        Thread(target=watchdog.run, name="watchdog", daemon=True).start()


class Watchdog:
    """Of one worker, by its consumer."""

    def __init__(self, consumer: Any) -> None:
        self.name: str = consumer.hostname.partition("@")[0]
        self._queue = group_of(self.name)  # its only one (trap 17)
        self._consumer = consumer
        self._gauge = Gauge(consumer.app)
        self._period = systemd().watchdog or 60.0
        self._proved_at = monotonic()
        self._is_suspected = False
        self._before = self._seen(None)

    def run(self) -> None:
        """Look and tell, for ever."""
        every = min(EVERY, self._period / 4)
        while True:
            if pulse.stopping.wait(every):
                sleep(STOPPING_EVERY)
            with _looking:
                self.look()

    def look(self) -> None:
        """Look once, and tell what was seen."""
        now = self._seen(self._waiting())
        why = doubt(now, self._before)
        self._before = now
        if why:
            self._suspect(now, why)
        else:
            self._trust(now)

    def _trust(self, now: Look) -> None:
        if self._is_suspected:
            logger.warning("worker_hears_again", worker=self.name, after=f"{now.at - self._proved_at:.0f} s")
        self._is_suspected, self._proved_at = False, now.at
        systemd().tell("WATCHDOG=1", status(f"{self.name}: {self._told(now)}"))

    def _suspect(self, now: Look, why: str) -> None:
        """Withhold the sign of life; say so aloud once half of the time is over, since a short doubt is nothing."""
        silent = now.at - self._proved_at
        told = f"deaf for {silent:.0f} s: {why}" if silent >= self._period / 4 else self._told(now)
        systemd().tell(status(f"{self.name}: {told}"))
        if silent >= self._period / 2 and not self._is_suspected:
            self._is_suspected = True
            left = max(self._period - silent, 0)
            logger.error("worker_deaf", worker=self.name, reason=why, next_step=f"systemd replaces it in {left:.0f} s")

    def _waiting(self) -> int | None:
        """Messages that wait, as far as the broker says; it is left alone while the worker itself waits for it."""
        if pulse.waits_for or pulse.stopping.is_set():
            return None
        try:
            return self._gauge.depths([self._queue])[self._queue]
        except REFUSALS:
            return None

    def _seen(self, waiting: int | None) -> Look:
        consumer = self._consumer
        return Look(
            at=monotonic(),
            turned_at=monotonic() if _waits_for_a_slot(consumer.pool) else pulse.turned_at,
            received=pulse.received,
            begun=state.all_total_count[0],
            running=len(state.active_requests),
            reserved=len(state.reserved_requests),
            slots=consumer.pool.num_processes,
            held=_held(consumer),
            credit=_credit(consumer),
            waiting=waiting,
            waits_for=pulse.waits_for,
            told_not_to=not consumer.app.amqp.queues.consume_from,
            stopping=pulse.stopping.is_set(),
        )

    def _told(self, now: Look) -> str:
        if now.stopping:
            return _farewell(now)
        if now.waits_for:
            return f"waiting for {now.waits_for}"
        done, busy = now.begun - now.running, min(now.running, now.slots)
        backlog = "backlog unknown" if now.waiting is None else f"{now.waiting} waiting"
        cancelled = ", told not to consume" if now.told_not_to else ""
        return f"{busy} of {now.slots} slots busy, {done} done, {backlog}{cancelled}"


def _farewell(now: Look) -> str:
    if not now.running:
        return "stopping: nothing runs"
    oldest = min((began for request in _snapshot(state.active_requests) if (began := request.time_start)), default=None)
    ran = time() - oldest if oldest else 0
    group = current_group()
    limit = f" of at most {longest_run(group)}" if group and longest_run(group) else ""
    tasks = "1 task runs, for" if now.running == 1 else f"{now.running} tasks run, the oldest for"
    return f"stopping: {tasks} {ran:.0f}{limit} s"


def _held(consumer: Any) -> int:
    limited = sum(len(bucket.contents) for bucket in consumer.task_buckets.values() if bucket)
    scheduled = len(state.scheduled_requests)  # type: ignore[attr-defined]  # newer than celery-types
    tasks = len(state.reserved_requests) + scheduled + limited + unsent.waiting()
    return min(tasks, sum(not message.acknowledged for message in _snapshot(pulse.held)))


def _waits_for_a_slot(pool: Any) -> bool:
    """Whether a gevent worker's loop may be waiting for a task to end: it takes what it prefetched to a full pool.

    That its event loop turns, this look proves, being a greenlet itself.
    """
    return bool(pool.is_green) and len(state.reserved_requests) >= int(pool.num_processes)


def _credit(consumer: Any) -> int:
    """RabbitMQ keeps what was agreed on at first; Redis has us count, one more for each task that is not yet due."""
    is_static = is_rabbitmq(consumer.app.conf.broker_url) or not consumer.qos
    return pulse.granted if is_static else int(consumer.qos.value)


def _snapshot(requests: Any) -> list[Any]:
    """What a set holds into which another thread is writing."""
    while True:
        with suppress(RuntimeError):  # it has grown meanwhile
            return list(requests)
