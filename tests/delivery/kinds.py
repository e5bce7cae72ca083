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
    """It charges a card: its effect is counted where it is real, and must never be there twice."""

    @property
    def name(self) -> str:
        """What its entries carry."""
        return f"{self.task}.{self.group}"


#: Tasks a second, all together: two cores run these beside three brokers and still catch up after a fault.
KINDS: Final = (
    Kind("note", "default", 8, late=False),
    Kind("later", "default", 2, late=False, countdown=4),
    Kind("again", "default", 2, late=False),
    Kind("note", "priority", 6),
    Kind("later", "priority", 2, countdown=4),
    Kind("again", "priority", 2),
    Kind("pay", "priority", 4, paid=True),
    Kind("order", "priority", 4, durable=True),
    Kind("stride", "batch", 0.5, seconds=0.4),
    Kind("answer", "ml", 3, fetched=True),
    Kind("note", "io", 4, seconds=0.2),
    Kind("answer", "io", 4, fetched=True),
    Kind("note", "green", 4, seconds=0.2),
    Kind("again", "green", 2),
)
#: Die at their first run on each host, as whoever sends them says; for the pools that have children.
MORTAL: Final = (
    Kind("fall", "default", 1, late=False),
    Kind("fall", "priority", 1),
    Kind("fall", "ml", 0.5),
)
#: Of a `stride`.
STEPS: Final = 8

BY_NAME: Final = {kind.name: kind for kind in (*KINDS, *MORTAL)}
