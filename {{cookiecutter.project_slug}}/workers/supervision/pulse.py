"""What a worker's main loop does, noted as it does it; the thread of watchdog.py reads it."""

from threading import Event
from time import monotonic
from typing import Any, Final
from weakref import WeakSet

from workers.supervision.notify import status, systemd

#: Seconds that a start may take longer each time the worker says that it waits: more than a round of tries takes.
#: A start that hangs, at an import say, says nothing, and the unit's TimeoutStartSec ends it.
PATIENCE: Final = 60


class Pulse:
    """The main loop of this process's worker."""

    def __init__(self) -> None:
        self.ready = False
        """Whether it has ever consumed."""
        self.turned_at = monotonic()
        """When it turned last, by time.monotonic."""
        self.received = 0
        """Messages that reached it so far."""
        self.held: WeakSet[Any] = WeakSet()
        """Messages of this connection that are still in memory."""
        self.granted = 0
        """Messages that the broker may have it hold, as was agreed when it began to consume."""
        self.waits_for = ""
        """What keeps it from consuming; empty while it consumes."""
        self.stopping = Event()
        """Set once it is to stop."""

    def turn(self) -> None:
        """Note that the loop is not stuck."""
        self.turned_at = monotonic()

    def receive(self, message: Any) -> None:
        """Note a message."""
        self.received += 1
        self.held.add(message)

    def wait(self, reason: str) -> None:
        """Note that it does not consume, and why; a start may take longer for it."""
        self.turn()
        self.waits_for = reason
        if not self.ready:
            systemd().tell(f"EXTEND_TIMEOUT_USEC={PATIENCE * 1_000_000}", status(f"waiting for {reason}"))

    def consume(self, granted: int) -> None:
        """Note that it consumes, on a new connection; what an earlier one brought goes back to the broker."""
        self.turn()
        self.waits_for = ""
        self.granted = granted
        self.held = WeakSet()

    def stop(self) -> None:
        """Note that it is to stop. From here on the unit's TimeoutStopSec runs, whoever asked for the stop."""
        systemd().tell("STOPPING=1")
        self.stopping.set()


pulse: Final = Pulse()
