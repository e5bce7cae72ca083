"""What is promised of a cell: nothing lost, or a bound with the name of the window in which something may be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.delivery.checker import Verdict

#: Seconds within which a sender knows whether its task was accepted, whatever is the matter with the broker: 20 tries
#: of half a second, or as many seconds to find a node that takes connections (workers/derive/rabbitmq.py).
TOLD: Final = 20.0
#: Seconds within which somebody who asked for a result, with a patience of 3 s, knows that there is none.
ASKED: Final = 8.0
#: Ids in a message.
SHOWN: Final = 3


@dataclass(frozen=True)
class Promise:
    """The most that may be lost in one cell; `window` says in which moments, and is empty where nothing may be."""

    late: int = 0
    early: int = 0
    results: int = 0
    window: str = ""

    def broken(self, verdict: Verdict) -> Iterator[str]:
        """What is not as promised, in words."""
        yield from _above(verdict.lost_late, self.late, "acknowledged late and lost")
        yield from _above(verdict.lost_early, self.early, "acknowledged early and lost")
        yield from _above(verdict.charged_twice, 0, "payments charged twice")
        yield from _above(verdict.unexpected, 0, "run, and nobody sent them")
        yield from _above(verdict.results_lost, self.results, "results lost")
        if verdict.told > TOLD:
            yield f"a sender waited {verdict.told:.1f} s for its answer, {TOLD:.0f} s are promised"
        if verdict.asked > ASKED:
            yield f"somebody waited {verdict.asked:.1f} s for a result, {ASKED:.0f} s are promised"


def _above(found: Sequence[str], allowed: int, what: str) -> Iterator[str]:
    if len(found) > allowed:
        yield f"{what}: {len(found)}, {allowed} promised: {', '.join(found[:SHOWN])}"


NOTHING: Final = Promise()
