"""What the workers tell about each task: Celery's events, collected while the demonstration runs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING, Any, Self

from celery import Celery

if TYPE_CHECKING:
    from celery.events.receiver import EventReceiver

STARTS_WITHIN = 15  # seconds
OURS = "shop.tasks."
PROBE = "demo-listening"
ENDED = {"task-succeeded": "succeeded", "task-failed": "failed", "task-revoked": "failed", "task-rejected": "failed"}


class NothingHeardError(Exception):
    """The broker carries no events."""


@dataclass(slots=True)
class Seen:
    """One task, from its events; times are seconds since the epoch."""

    name: str = ""
    queue: str = ""
    sent: float | None = None
    started: float | None = None
    run: float | None = None
    retries: int = 0
    state: str = "open"

    @property
    def wait(self) -> float | None:
        """Seconds from when it was sent to when it first ran."""
        return None if self.sent is None or self.started is None else self.started - self.sent


class Tasks:
    """All tasks that were seen, by their ids."""

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """Note an event. They come from several processes, so their order is not that of their times."""
        kind, moment = event["type"], event["timestamp"]
        if not kind.startswith("task-"):
            return
        task = self.seen.setdefault(event["uuid"], Seen())
        task.name = event.get("name") or task.name
        task.queue = event.get("queue") or task.queue
        if kind == "task-sent":
            task.sent = _earlier(task.sent, moment)
        elif kind == "task-started":
            task.started = _earlier(task.started, moment)
        elif kind == "task-retried":
            task.retries += 1
        elif kind in ENDED:
            task.state = ENDED[kind]
            task.run = event.get("runtime")

    def open(self) -> list[Seen]:
        """The tasks that were sent and have not ended."""
        return [task for task in self.ours() if task.state == "open"]

    def wait_until_ended(self, seconds: float) -> None:
        """Give the last tasks a moment to end, and their events to arrive."""
        until = time.monotonic() + seconds
        while self.open() and time.monotonic() < until:
            time.sleep(0.1)

    def ours(self) -> list[Seen]:
        """The shop's tasks; others may run beside them."""
        return [task for task in list(self.seen.values()) if task.name.startswith(OURS)]


def _earlier(known: float | None, moment: float) -> float:
    return moment if known is None else min(known, moment)


class Listener:
    """Collects events in a thread, from entering to leaving its `with` block."""

    def __init__(self, app: Celery) -> None:
        self.tasks = Tasks()
        self._app = app
        self._listening = Flag()
        self._receiver: EventReceiver | None = None

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._receive, name="events", daemon=True)
        self._thread.start()
        self._wait_until_heard()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._receiver:
            self._receiver.should_stop = True
        self._thread.join(timeout=5)

    def _receive(self) -> None:
        with self._app.connection_for_read() as connection:
            handlers = {PROBE: lambda _event: self._listening.set(), "*": self.tasks.add}
            self._receiver = self._app.events.Receiver(connection, handlers=handlers)
            self._receiver.capture(wakeup=False)

    def _wait_until_heard(self) -> None:
        """Events are not kept for those who come late: nothing may be sent before one's own is heard."""
        with self._app.events.default_dispatcher() as dispatcher:
            for _ in range(STARTS_WITHIN * 10):
                dispatcher.send(PROBE)
                if self._listening.wait(0.1):
                    return
        raise NothingHeardError(f"no event came through the broker within {STARTS_WITHIN} s")
