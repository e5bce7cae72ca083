"""The scheduler that `celery beat` runs, named by the setting `beat_scheduler`."""

import signal
import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial
from math import ceil
from threading import current_thread, main_thread
from time import monotonic
from typing import Any, Final

import structlog
from celery import Celery
from celery.beat import Scheduler
from django.db import DatabaseError, InterfaceError, connection
from kombu import Producer
from kombu.exceptions import OperationalError

from workers.beat import code, lease, runs
from workers.beat.lease import POLL, RENEWAL, Tenure
from workers.beat.models import Run, finish, tables_missing
from workers.beat.plan import Plan, Planned
from workers.beat.runs import Slot
from workers.beat.sender import Sender, UnreachableError, as_celery_knows_it
from workers.delivery.pressure.policy import ShedResult
from workers.exits import refuse_to_start
from workers.supervision.notify import status, systemd

logger = structlog.get_logger(__name__)

#: Seconds until a database or broker that did not answer is tried again.
RETRY: Final = 0.5
#: Seconds between two looks at what earlier leaders left behind, and between two deletions of old records.
TIDY: Final = 10.0
FORGET: Final = 3600.0

_DATABASE_ERRORS: Final = (DatabaseError, InterfaceError)


class SlotScheduler(Scheduler):
    """Sends what is due while it holds the lease, and waits for the lease otherwise."""

    max_interval = ceil(RENEWAL)  # seconds; what beat's banner shows

    def __init__(self, app: Celery, **options: Any) -> None:
        self._tenure = Tenure()
        self._plan = Plan()
        self._sender = Sender(app)
        self._unsaved: list[Callable[[], None]] = []
        self._troubles: set[str] = set()
        self._next_look = self._next_tidying = self._next_forgetting = 0.0
        self._prepared = self._busy = self._stopping = False
        self._error: Exception | None = None
        super().__init__(app, **options)

    def setup_schedule(self) -> None:
        """Refuse a schedule that could not be sent, and a database without our tables, before anything is sent."""
        if problems := code.problems(self.app.conf.beat_schedule):
            refuse_to_start("the schedule is refused; nothing was started:\n" + "\n".join(map(str, problems)))
        if self._tables_missing():
            sys.exit("the tables of the scheduler are missing: run `python manage.py migrate` first")
        self._warm_up()
        if current_thread() is main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_stop)

    def tick(self, *_: Any, **__: Any) -> float:
        """Do what is to be done now; the seconds until the next tick. The service calls this again and again."""
        self._busy = True
        try:
            return max(self._tick(), 0.0)
        except _DATABASE_ERRORS as error:
            self._say_trouble("database", error)
            connection.close()
            self._next_look = 0.0
            return RETRY
        finally:
            self._busy = False
            systemd().tell("READY=1", "WATCHDOG=1", status(self._told()))
            if self._stopping:
                raise SystemExit

    def close(self) -> None:
        """Hand over: the other scheduler takes the lease at its next look."""
        self._busy = True  # a second signal changes nothing
        self._sender.close()
        try:
            self._save()
            self._tenure.release()
        except _DATABASE_ERRORS:
            logger.warning("beat_lease_not_released", note="it runs out by itself")
        connection.close()

    def apply_async(self, entry: Any, producer: Producer | None = None, *_: Any, **__: Any) -> None:
        """Send the task; an error is kept for `_publish`, which knows what it means for the slot."""
        task = self.app.tasks.get(entry.task)
        send = task.apply_async if task else partial(self.app.send_task, entry.task)
        try:
            result = send(entry.args, entry.kwargs, producer=producer, **entry.options)
            if isinstance(result, ShedResult):
                result.get()  # says why: nobody must read that it was sent
        except Exception as error:  # noqa: BLE001 - whatever it is, it concerns this slot and no other
            self._error = error

    @property
    def info(self) -> str:
        """What `celery beat` prints when it starts."""
        return f"    . lease -> {connection.vendor}"

    def _tick(self) -> float:
        if monotonic() >= self._next_look:
            self._look()
        if not self._tenure.held:
            return max(self._next_look - monotonic(), RETRY)
        pause = self._send_due()
        self._sender.rest()
        upcoming = self._plan.next()
        until_slot = (upcoming - self._tenure.now()).total_seconds() if upcoming else RENEWAL
        return max(pause, min(until_slot, self._next_look - monotonic()))

    def _look(self) -> None:
        """Renew the lease or try to take it, and see what has changed."""
        if not self._prepared:
            lease.prepare()
            self._prepared = True
        before = self._tenure.token, self._tenure.holder
        holds = self._tenure.hold()
        self._next_look = monotonic() + (RENEWAL if holds else POLL)
        self._tenure.show_up()
        if before != (self._tenure.token, self._tenure.holder):
            self._announce(holds=holds)
        self._save()
        if holds:
            if not self._plan.loaded:
                code.store(self.app.conf.beat_schedule)
            self._plan.refresh()
            self._tidy()
        self._trouble_is_over("database")

    def _told(self) -> str:
        trouble = "".join(f", no {what}" for what in sorted(self._troubles))
        return ("active" if self._tenure.held else f"waiting; active: {self._tenure.holder or 'nobody'}") + trouble

    def _announce(self, *, holds: bool) -> None:
        self._plan.forget()
        if holds:
            logger.info("beat_active", name=self._tenure.name, token=self._tenure.token)
        else:
            logger.info("beat_waiting", name=self._tenure.name, active=self._tenure.holder)

    def _tidy(self) -> None:
        if monotonic() >= self._next_tidying:
            self._next_tidying = monotonic() + TIDY
            runs.note_left_behind(self._tenure)
        if monotonic() >= self._next_forgetting:
            self._next_forgetting = monotonic() + FORGET
            runs.forget_old()
            self._tenure.forget_others()

    def _send_due(self) -> float:
        """Send every slot that is due; the seconds to wait before what is left is tried again."""
        now = self._tenure.now()
        owed = [(planned, slot) for planned in self._plan.due(now) if (slot := self._settle(planned, now))]
        if not owed:
            return 0.0
        try:
            with self._sender.producer() as producer:
                self._trouble_is_over("broker")
                for planned, slot in owed:
                    ours = self._send(planned, slot, producer)
                    # The lease goes first, and so does a stop: what is left stays due.
                    if not ours or self._stopping or monotonic() >= self._next_look:
                        break
        except UnreachableError as error:
            self._say_trouble("broker", error)
            return RETRY
        return 0.0

    def _settle(self, planned: Planned, now: datetime) -> Slot | None:
        """Report what the entry has missed for good; the slot that may be sent."""
        gap, slot = planned.owed(now)
        if gap:
            reason = "no broker answered" if "broker" in self._troubles else "no scheduler was active"
            runs.note_missed(gap, reason, self._tenure)
            planned.move_on(gap.last)
            if not slot:
                self._unsaved.append(partial(finish, planned.entry))
                self._save()
        return slot

    def _send(self, planned: Planned, slot: Slot, producer: Producer) -> bool:
        """Claim the slot, send its task, note the outcome. False: the slot is not ours, so all is to be read anew."""
        unused = partial(runs.give_back, slot, self._tenure.token or 0)
        try:
            claimed = runs.claim(slot, self._tenure)
        except _DATABASE_ERRORS:
            self._unsaved.append(unused)  # it may be ours all the same
            raise
        if not claimed or not self._tenure.held:  # not held any more: we were halted, and another one may be active
            self._unsaved += [unused] if claimed else []
            self._plan.forget()
            self._next_look = 0.0
            return False
        planned.move_on(slot.due)
        self._unsaved += [self._publish(slot, producer), partial(finish, slot.entry)]
        self._save()
        return True

    def _publish(self, slot: Slot, producer: Producer) -> Callable[[], None]:
        """Send the task; gives back how to note what came of it."""
        self._error = None
        self.apply_entry(as_celery_knows_it(slot, self.app), producer=producer)
        error = self._error
        if error is None:
            return partial(runs.note_sent, slot, self._tenure.now())
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, (OperationalError, OSError)):  # lost on the way, or its confirm was
            return partial(runs.note_failed, slot, Run.State.DOUBTFUL, reason)
        return partial(runs.note_failed, slot, Run.State.MISSED, reason)

    def _save(self) -> None:
        """Note the outcomes that the database has not heard of; what fails is tried again."""
        while self._unsaved:
            self._unsaved[0]()
            del self._unsaved[0]

    def _warm_up(self) -> None:
        """Have Celery make what it makes when first needed: that would be between the first claim and its confirm."""
        for part in ("router", "queues", "Producer"):
            getattr(self.app.amqp, part)
        self.app.backend  # noqa: B018

    def _tables_missing(self) -> bool:
        try:
            return tables_missing(connection.introspection.table_names())
        except _DATABASE_ERRORS:
            return False  # it is waited for, as it is when it goes away later

    def _on_stop(self, *_: object) -> None:
        # In the middle of a tick a slot may be on its way: the tick ends first.
        self._stopping = True
        if not self._busy:
            raise SystemExit

    def _say_trouble(self, what: str, error: Exception) -> None:
        """Once, not twice a second."""
        if what not in self._troubles:
            self._troubles.add(what)
            logger.error("beat_without", what=what, reason=str(error).strip(), note="tried again until it answers")

    def _trouble_is_over(self, what: str) -> None:
        if what in self._troubles:
            self._troubles.remove(what)
            logger.info("beat_again_with", what=what)
