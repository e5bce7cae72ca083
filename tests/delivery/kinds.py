"""The kinds of tasks that flow, as data: for each group what it does, how long it takes, how it is acknowledged.

The producer imports this within the generated project: standard library only.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Kind:
    """Tasks of one kind, sent to one group. Durations are seconds."""

    task: str
    group: str
    rate: float
    """Tasks a second."""
    seconds: float = 0.05
    """How long a run takes; of a task with steps, a step."""
    late: bool = True
    """Acknowledged after the run: a worker that dies gives it back. As workers.yml says of the group."""
    countdown: float | None = None
    durable: bool = False
    """Sent inside a transaction, and accepted with its commit, whatever becomes of the broker."""
    fetched: bool = False
    """Somebody asks for its result."""
    paid: bool = False
    """It charges a card: its effect is counted where it is real, and must never be there twice. Each is sent twice."""

    @property
    def name(self) -> str:
        """What its entries carry."""
        return f"{self.task}.{self.group}"


#: About thirty tasks a second: two cores run these beside three brokers, and still catch up after a fault.
KINDS: Final = (
    Kind("note", "default", 5, late=False),
    Kind("later", "default", 1, late=False, countdown=4),
    Kind("again", "default", 1, late=False),
    Kind("note", "priority", 4),
    Kind("later", "priority", 1, countdown=4),
    Kind("again", "priority", 1),
    Kind("pay", "priority", 2, paid=True),
    Kind("order", "priority", 3, durable=True),
    Kind("stride", "batch", 0.5, seconds=0.4),
    Kind("answer", "ml", 2, fetched=True),
    Kind("note", "io", 3, seconds=0.2),
    Kind("answer", "io", 3, fetched=True),
    Kind("note", "green", 3, seconds=0.2),
    Kind("again", "green", 1),
)
#: Die at their first run on each host, as whoever sends them says; for the pools that have children. Few: a child that
#: starts takes two seconds of a core, and each of these asks for two of them.
MORTAL: Final = (
    Kind("fall", "default", 0.1, late=False),
    Kind("fall", "priority", 0.1),
    Kind("fall", "ml", 0.05),
)
#: Of a `stride`.
STEPS: Final = 8

BY_NAME: Final = {kind.name: kind for kind in (*KINDS, *MORTAL)}
