"""The verdict over what was written down: lost, duplicated, unexpected, recovered, and given up but kept.

The names are those of the checker `total-queue` in RabbitMQ's Jepsen tests.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property

from tests.delivery.kinds import BY_NAME, Kind
from tests.delivery.ledger import Entry, What


@dataclass(frozen=True)
class History:
    """What is known of one cell when all has come to rest."""

    entries: Sequence[Entry]
    dead: AbstractSet[str] = frozenset()
    """Ids that `workers dead list` names."""
    committed: AbstractSet[str] = frozenset()
    """Ids of the orders in the database: the task of each was sent in the transaction that wrote it."""
    charges: Mapping[str, int] = field(default_factory=dict)
    """How often each payment was charged."""
    results: AbstractSet[str] = frozenset()
    """Ids whose result was there in the end."""


@dataclass(frozen=True)
class Verdict:
    """What became of everything that was tried; each id in at most one of lost and dead."""

    tried: int
    accepted: int
    lost_late: Sequence[str]
    """Accepted, acknowledged late, and neither done nor among the dead letters."""
    lost_early: Sequence[str]
    """The same of tasks that are acknowledged before they run."""
    twice: Sequence[str]
    """Done more than once, payments left out. Tasks bear it: that is what at-least-once means."""
    charged_twice: Sequence[str]
    unexpected: Sequence[str]
    """Run, and nobody tried to send them."""
    recovered: Sequence[str]
    """Done although their sender got an error: it could not know, and was told so."""
    dead: Sequence[str]
    """Given up with a reason, and kept: not lost."""
    results_lost: Sequence[str]
    """Done, and their result is nowhere."""
    told: float
    """Seconds that a sender waited for its answer, the longest time: yes or no."""
    asked: float
    """The same of those who asked for a result."""
    steps_again: int
    """Steps of long tasks that were done a second time."""

    @property
    def lost(self) -> Sequence[str]:
        """All that is lost, however acknowledged."""
        return [*self.lost_late, *self.lost_early]


class _Index:
    """What is known of a cell, by what it says."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.kinds = {entry.id: BY_NAME[entry.kind] for entry in history.entries if entry.id}

    def ids(self, *what: What) -> list[str]:
        return [entry.id for entry in self.history.entries if entry.what in what]

    def longest(self, *what: What) -> float:
        return max((entry.took for entry in self.history.entries if entry.what in what), default=0.0)

    @cached_property
    def accepted(self) -> set[str]:
        """A sender cannot tell whether its transaction has committed; the database knows."""
        return {name for name in self.ids("accepted") if not self.kinds[name].durable} | set(self.history.committed)

    @cached_property
    def done(self) -> Counter[str]:
        """How often. A payment is done where it is charged, whatever its task says."""
        told = Counter(name for name in self.ids("done") if not self.kinds[name].paid)
        return told + Counter(self.history.charges)

    @property
    def open(self) -> set[str]:
        """Accepted, and neither done nor given up."""
        return self.accepted - self.done.keys() - self.history.dead


def judge(history: History) -> Verdict:
    """Compare what was accepted with what was done."""
    index = _Index(history)
    tried, done, kinds = set(index.ids("tried")), index.done, index.kinds
    begun = {*index.ids("began", "step", "done"), *done}
    steps = Counter((entry.id, entry.number) for entry in history.entries if entry.what == "step")
    return Verdict(
        tried=len(tried),
        accepted=len(index.accepted),
        lost_late=sorted(name for name in index.open if kinds[name].late),
        lost_early=sorted(name for name in index.open if not kinds[name].late),
        twice=sorted(name for name, times in done.items() if times > 1 and name not in history.charges),
        charged_twice=sorted(name for name, times in history.charges.items() if times > 1),
        unexpected=sorted(begun - tried),
        recovered=sorted((done.keys() & tried) - index.accepted),
        dead=sorted(history.dead & tried),
        results_lost=sorted(name for name in done if _fetched(kinds, name) and name not in history.results),
        told=index.longest("accepted", "refused"),
        asked=index.longest("got", "missed"),
        steps_again=sum(times - 1 for times in steps.values()),
    )


def _fetched(kinds: Mapping[str, Kind], name: str) -> bool:
    return name in kinds and kinds[name].fetched


def outstanding(history: History) -> set[str]:
    """What is accepted, and neither done nor given up yet: as long as there is some, waiting makes sense."""
    return _Index(history).open
