"""A row of the table: something is done to the fleet, and what was seen is said."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fleet.ground import Ground


@dataclass
class Seen:
    """What a row showed, for the table; each way in which it is not as promised, and each promised time it exceeds."""

    shown: str
    misses: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)

    @property
    def odd(self) -> list[str]:
        """Everything that is not as promised."""
        return [*self.misses, *self.late]


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    title: str
    do: Callable[[Ground], Seen]
