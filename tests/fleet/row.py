"""A row of the table: something is done to the fleet, and what was seen is said."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fleet.ground import Ground


@dataclass
class Seen:
    """What a row showed, for the table; and each way in which it is not as promised."""

    shown: str
    misses: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    title: str
    do: Callable[[Ground], Seen]
