"""The rows of the table as data, kept in a file so that a row can be measured again without all others."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tests.brokers.cluster import Broker
from tests.brokers.faults import FAULTS, Fault, Target
from tests.brokers.figures import Figures, Stall, middle

#: The fields of Figures that a goal bounds.
STALLS: Final = ("publish", "consume", "late", "worker_start", "producer_start")
#: The others: they count something.
COUNTS: Final = ("failed", "lost", "twice")


@dataclass(frozen=True)
class Row:
    """A fault on a broker's host, as often as it was run; `problem` where a run could not be finished."""

    broker: Broker
    fault: str
    target: Target
    measured: str = ""
    versions: str = ""
    ours: Sequence[Figures] = ()
    stock: Sequence[Figures] = ()
    pressure: Sequence[float] = ()
    problem: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is a row of."""
        return (self.broker, self.fault, self.target)

    @property
    def goal(self) -> float:
        """Seconds that no figure of ours may exceed."""
        return FAULTS[self.fault].goals[self.broker]

    def misses(self, bound: float | None = None) -> list[str]:
        """What of ours is not as promised, in words; `bound` in place of the goal. Empty where all is."""
        if self.problem:
            return [self.problem]
        allowed = self.goal if bound is None else bound
        return [*self._stalls_above(allowed), *self._losses()]

    def _stalls_above(self, allowed: float) -> list[str]:
        found = {name: max(getattr(run, name) for run in self.ours) for name in STALLS}
        return [
            f"{name.replace('_', ' ')} {stall}{'' if stall.stuck else ' s'}, {allowed:.0f} s allowed"
            for name, stall in found.items()
            if above(stall, allowed)
        ]

    def _losses(self) -> list[str]:
        lost = sum(run.lost for run in self.ours)
        return [f"{lost} confirmed messages lost"] if lost and self.broker == "rabbitmq" else []


def above(stall: Stall, allowed: float) -> bool:
    """Whether a stall misses its goal, to the tenth of a second that is shown."""
    return stall.stuck or round(stall.seconds, 1) > allowed


def wanted(brokers: Sequence[Broker], faults: Sequence[Fault], targets: Sequence[Target]) -> list[Row]:
    """The rows, not measured yet, that the three choices leave of the whole table."""
    return [
        Row(broker, fault.name, target)
        for broker in brokers
        for fault in faults
        for target in fault.targets
        if target in targets
    ]


def load(file: Path) -> list[Row]:
    """The rows that `save` wrote; none where there is no file."""
    return [_row(item) for item in json.loads(file.read_text(encoding="utf-8"))] if file.exists() else []


def save(file: Path, rows: Sequence[Row]) -> None:
    """Put `rows` into the file, in place of those with the same key."""
    merged = {row.key: row for row in (*load(file), *rows)}
    order = {row.key: number for number, row in enumerate(wanted(("rabbitmq", "redis"), [*FAULTS.values()], TARGETS))}
    ordered = sorted(merged.values(), key=lambda row: order.get(row.key, len(order)))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([asdict(row) for row in ordered], indent=1) + "\n", encoding="utf-8")


TARGETS: Final[tuple[Target, ...]] = ("leader", "non-leader", "all")


def _row(item: dict[str, Any]) -> Row:
    sides = {side: [_figures(run) for run in item[side]] for side in ("ours", "stock")}
    return Row(**{**item, **sides})


def _figures(run: dict[str, Any]) -> Figures:
    return Figures(**{**run, **{name: Stall(**run[name]) for name in STALLS}})


def shown(runs: Sequence[Figures], name: str) -> str:
    """A figure of several runs: the median, and the maximum where it differs."""
    values = [getattr(run, name) for run in runs]
    if not values:
        return "-"
    if name in COUNTS:
        return str(sum(values))
    median, most = str(middle(values)), str(max(values))
    return median if median == most else f"{median} (max {most})"
