"""Writes measured tables into docs/guarantees.md, between their markers; the words around them are written by hand."""

from collections.abc import Sequence
from typing import Final

from tests.brokers import table
from tests.brokers.faults import FAULTS
from tests.brokers.rows import TARGETS, Row, wanted
from tests.template.rendering import ROOT

FILE: Final = ROOT / "docs/guarantees.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def write(rows: Sequence[Row]) -> None:
    """Put the table of all rows there."""
    replace(BEGIN, END, measured(rows))


def replace(begin: str, end: str, text: str) -> None:
    """Replace what stands between two markers."""
    before, rest = FILE.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    FILE.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def measured(rows: Sequence[Row]) -> str:
    """A section a broker: when, with what, the table."""
    sections = []
    for broker, name in table.BROKERS.items():
        if own := [row for row in rows if row.broker == broker]:
            dates = sorted(row.measured[:10] for row in own)
            period = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
            runs = max(len(row.ours) for row in own)
            how = f"Measured {period}, {own[-1].versions}, {runs} run{'s' * (runs > 1)} a row, by `make brokers`."
            busy = f"Processes waited for a core up to {max(_pressures(own)):.0%} of the time."
            sections.append(f"### {name}\n\n{how} {busy}\n\n{table.markdown(own)}\n{_missing(own)}")
    return "\n".join(sections)


def _pressures(rows: Sequence[Row]) -> list[float]:
    return [pressure for row in rows for pressure in row.pressure] or [0.0]


def _missing(rows: Sequence[Row]) -> str:
    """Name the rows that are not there: a table without them would look whole."""
    there = {row.key for row in rows}
    missing = [row for row in wanted([rows[0].broker], list(FAULTS.values()), TARGETS) if row.key not in there]
    return f"\nNot measured yet: {'; '.join(map(table.title, missing))}.\n" if missing else ""
