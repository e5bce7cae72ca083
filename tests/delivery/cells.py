"""The cells of the matrix as data, kept in a file so that one can be measured again without all others."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tests.brokers.cluster import Broker
from tests.delivery.checker import Verdict
from tests.delivery.faults import FAULTS, KNOWN
from tests.delivery.promises import Promise

BROKERS: Final[tuple[Broker, ...]] = ("rabbitmq", "redis")


@dataclass(frozen=True)
class Cell:
    """A fault on a broker; without a verdict where it is not measured, or could not be: then `problem` says why."""

    broker: Broker
    fault: str
    measured: str = ""
    versions: str = ""
    verdict: Verdict | None = None
    problem: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What it is a cell of."""
        return (self.broker, self.fault)

    @property
    def title(self) -> str:
        """What happens in it."""
        return KNOWN[self.fault].title

    @property
    def promise(self) -> Promise:
        """What holds in it."""
        return KNOWN[self.fault].promise(self.broker)

    def misses(self) -> list[str]:
        """What is not as promised, in words; empty where all is."""
        if self.verdict is None:
            return [self.problem or "not measured"]
        return list(self.promise.broken(self.verdict))


def wanted(brokers: Sequence[Broker], faults: Sequence[str]) -> list[Cell]:
    """The cells, not measured yet, that the two choices leave of the whole matrix."""
    return [Cell(broker, fault) for broker in brokers for fault in faults]


def load(file: Path) -> list[Cell]:
    """The cells that `save` wrote; none where there is no file."""
    if not file.exists():
        return []
    items = json.loads(file.read_text(encoding="utf-8"))
    return [Cell(**{**item, "verdict": item["verdict"] and Verdict(**item["verdict"])}) for item in items]


def save(file: Path, cells: Sequence[Cell]) -> None:
    """Put `cells` into the file, in place of those with the same key, in the matrix' order."""
    merged = {cell.key: cell for cell in (*load(file), *cells)}
    order = [cell.key for cell in wanted(BROKERS, list(FAULTS))]
    known = [merged[key] for key in order if key in merged]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([asdict(cell) for cell in known], indent=1) + "\n", encoding="utf-8")
