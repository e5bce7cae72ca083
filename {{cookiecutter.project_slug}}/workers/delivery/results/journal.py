"""What the Redis of results could not take, and where it is kept until it can."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeVar

from celery import states

#: A result or a saved group, as Redis would hold it; a part of a chord that was not counted; a chord whose body was
#: sent, which was not noted.
Kind = Literal["result", "part", "sent"]
RESULT: Final = "result"
PART: Final = "part"
SENT: Final = "sent"

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """Something that belongs into Redis."""

    kind: Kind
    #: Of a result its key in Redis, of the others the id of the task that found Redis away.
    key: str
    #: Celery's state of the task.
    state: str
    value: bytes
    #: Seconds for which it is still worth keeping.
    lifetime: float
    #: Seconds since it was written down, by the clock of the store.
    age: float = 0.0
    #: What the store calls it.
    handle: Any = None

    @property
    def rank(self) -> tuple[bool, float]:
        """Higher is what holds: a success is never replaced, as Celery has it, and else the newer one counts."""
        return self.state == states.SUCCESS, -self.age


class Journal(Protocol):
    """A store beside Redis. Entries are added and removed, never changed, so whoever removes one removes what it saw.

    Any method may raise whatever its library raises, and may hang: `keeper.py` sees to both.
    """

    def within(self, seconds: float, work: Callable[[], T]) -> T:
        """What `work` returns, which calls the methods below; TimeoutError after `seconds`."""
        ...

    def add(self, entry: Entry) -> None:
        """Write down an entry."""
        ...

    def is_empty(self) -> bool:
        """Whether there is nothing."""
        ...

    def find(self, keys: Iterable[str]) -> list[Entry]:
        """The results under these keys; several under one, perhaps."""
        ...

    def entries(self) -> Iterator[Entry]:
        """All that has not expired."""
        ...

    def remove(self, handles: Iterable[Any]) -> None:
        """Remove these; those that are gone already are nothing to complain about."""
        ...

    def remove_expired(self) -> None:
        """Remove what nobody is to see any more."""
        ...
