"""Writes the measured matrix into docs/guarantees.md, between its markers; the words around it are written by hand."""

from collections.abc import Sequence
from typing import Final

from tests.brokers import document
from tests.brokers.table import BROKERS
from tests.delivery import table
from tests.delivery.cells import Cell, wanted
from tests.delivery.faults import FAULTS

BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"
COMMAND: Final = "make matrix"


def write(cells: Sequence[Cell]) -> None:
    """Replace what stands between the markers."""
    document.replace(BEGIN, END, measured(cells))


def measured(cells: Sequence[Cell]) -> str:
    """A section a broker: when, with what, the table."""
    return "\n".join(
        _section(name, [cell for cell in cells if cell.broker == broker]) for broker, name in BROKERS.items()
    )


def _section(name: str, cells: Sequence[Cell]) -> str:
    title = f"### {name}: what is lost"
    if not cells:
        return f"{title}\n\nNot measured yet.\n"
    dates = sorted(cell.measured[:10] for cell in cells)
    period = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    how = f"Measured {period}, {cells[-1].versions}, by `{COMMAND}`."
    return f"{title}\n\n{how}\n\n{table.markdown(cells)}\n{_notes(cells)}"


def _notes(cells: Sequence[Cell]) -> str:
    """What a figure cannot say: why a cell misses its promise, and which cells there are no figures of."""
    there = {cell.key for cell in cells}
    missing = [cell.title for cell in wanted([cells[0].broker], list(FAULTS)) if cell.key not in there]
    missed = [f"- {cell.title}: {'; '.join(cell.misses())}\n" for cell in cells if cell.misses()]
    unmeasured = [f"- not measured yet: {'; '.join(missing)}\n"] if missing else []
    return "".join(["\n", *missed, *unmeasured]) if missed or unmeasured else ""
