"""The matrix with its figures, for a terminal and for docs/guarantees.md."""

from collections.abc import Callable, Sequence
from typing import Final

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tests.brokers.table import BROKERS
from tests.delivery.cells import Cell
from tests.delivery.checker import Verdict

#: What stands above each figure, and where it comes from.
FIGURES: Final[dict[str, Callable[[Verdict], str]]] = {
    "accepted": lambda verdict: f"{verdict.accepted:,}",
    "lost": lambda verdict: str(len(verdict.lost)),
    "results": lambda verdict: str(len(verdict.results_lost)),
    "twice": lambda verdict: str(len(verdict.twice)),
    "charged": lambda verdict: str(len(verdict.charged_twice)),
    "recovered": lambda verdict: str(len(verdict.recovered)),
    "dead": lambda verdict: str(len(verdict.dead)),
    "told": lambda verdict: f"{verdict.told:.1f}",
}
#: Those that are red where they are above what is promised, and how much that is.
BOUND: Final[dict[str, Callable[[Cell], int]]] = {
    "lost": lambda cell: cell.promise.late + cell.promise.early,
    "results": lambda cell: cell.promise.results,
    "charged": lambda _: 0,
}
CAPTION: Final = (
    "lost, results lost, tasks run twice, payments charged twice, run although their sender got an error, given up and "
    "kept; told: seconds until a sender had its answer, the longest"
)


def terminal(cells: Sequence[Cell]) -> Group:
    """A table a broker, for 120 columns."""
    groups = ([cell for cell in cells if cell.broker == broker] for broker in BROKERS)
    return Group(*(_one_broker(group) for group in groups if group))


def markdown(cells: Sequence[Cell]) -> str:
    """The same for the documentation: what is not as promised is bold."""
    head = ["fault", *FIGURES, "may be lost", ""]
    lines = [_line(head), _line(["---", *["---:"] * len(FIGURES), "---", "---"])]
    for cell in cells:
        figures = [f"**{text}**" if red else text for text, red in _figures(cell)]
        lines.append(_line([cell.title, *figures, _promised(cell), _verdict(cell, "**{}**")]))
    return "\n".join(lines)


def _one_broker(cells: Sequence[Cell]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True, caption=CAPTION, caption_justify="left")
    table.add_column(BROKERS[cells[0].broker], no_wrap=True)
    for heading in (*FIGURES, "may be"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for cell in cells:
        figures = [Text(text, "bold red" if red else "") for text, red in _figures(cell)]
        colour = "bold red" if cell.misses() else "green"
        table.add_row(cell.title, *figures, str(BOUND["lost"](cell)), Text(_verdict(cell, "{}"), colour))
    return table


def _figures(cell: Cell) -> list[tuple[str, bool]]:
    """Each figure, and whether it is above what is promised."""
    if cell.verdict is None:
        return [("-", False)] * len(FIGURES)
    shown = {name: figure(cell.verdict) for name, figure in FIGURES.items()}
    return [(text, name in BOUND and int(text) > BOUND[name](cell)) for name, text in shown.items()]


def _promised(cell: Cell) -> str:
    promise = cell.promise
    bounds = {"acknowledged late": promise.late, "acknowledged early": promise.early, "results": promise.results}
    told = ", ".join(f"{what} {most}" for what, most in bounds.items() if most)
    return f"{told}: {promise.window}" if told else "nothing"


def _verdict(cell: Cell, missed: str) -> str:
    return missed.format("missed") if cell.misses() else "met"


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"
