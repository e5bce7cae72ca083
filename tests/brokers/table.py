"""The table of stalls, for a terminal and for docs/guarantees.md."""

import os
import sys
from collections.abc import Sequence
from typing import Final

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from tests.brokers.faults import FAULTS
from tests.brokers.figures import Figures
from tests.brokers.rows import COUNTS, STALLS, Row, above, shown

#: Columns that the table takes with one run a row.
WIDTH: Final = 120
BROKERS: Final = {"rabbitmq": "RabbitMQ", "redis": "Redis Sentinel"}
#: What stands above each figure; `goal` is seconds as the stalls are.
HEADINGS: Final = {
    "publish": "publish",
    "consume": "consume",
    "late": "ETA late",
    "worker_start": "worker start",
    "producer_start": "producer start",
    "failed": "errors",
    "lost": "lost",
    "twice": "twice",
}
FAULT_NAMES: Final = {
    "kill": "process killed",
    "power-loss": "host's power lost",
    "link-cut": "link cut 30 s",
    "peers-only": "cut from peers only",
    "blip": "link cut 1.5 s",
    "countdowns": "2,000 countdowns, power lost",
    "rolling": "rolling restart",
    "all-nodes": "power of all lost",
}
TARGET_NAMES: Final = {
    "rabbitmq": {"leader": "leader", "non-leader": "non-leader"},
    "redis": {"leader": "primary", "non-leader": "replica"},
}


def console() -> Console:
    """As wide as the terminal; in a log, whose readers have wider ones than 80 columns, as wide as the table."""
    return Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDTH)


def title(row: Row) -> str:
    """What happened to whom."""
    fault = FAULT_NAMES[row.fault]
    if len(FAULTS[row.fault].targets) == 1:
        return fault
    return f"{fault}, {TARGET_NAMES[row.broker][row.target]}"


def terminal(rows: Sequence[Row], bound: float | None = None) -> Group:
    """A table a broker, for 120 columns: a fault, ours beside its goal (or `bound`), and stock Celery's below."""
    groups = ([row for row in rows if row.broker == broker] for broker in BROKERS)
    return Group(*(_one_broker(group, bound) for group in groups if group))


def _one_broker(rows: Sequence[Row], bound: float | None) -> Table:
    caption = "Seconds; a start's are beyond those of one without a fault. Red: above the goal, or lost."
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True, caption=caption, caption_justify="left")
    table.add_column(BROKERS[rows[0].broker], no_wrap=True)
    for heading in (*HEADINGS.values(), "goal"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in rows:
        goal = row.goal if bound is None else bound
        verdict = Text("missed", "bold red") if row.misses(bound) else Text("met", "green")
        table.add_row(Text(title(row), "bold"))
        table.add_row("  ours", *_marked(row, goal), f"{goal:.0f}", verdict)
        if row.stock:
            table.add_row(Text("  stock", "dim"), *(Text(text, "dim") for text in _plain(row.stock)))
    return table


def markdown(rows: Sequence[Row]) -> str:
    """The same for the documentation: what misses its goal is bold."""
    head = ["fault", "client", *HEADINGS.values(), "goal", ""]
    lines = [_line(head), _line(["---", "---", *["---:"] * (len(HEADINGS) + 1), "---"])]
    for row in rows:
        verdict = "**missed**" if row.misses() else "met"
        lines.append(_line([title(row), "ours", *_bold(row), f"{row.goal:.0f}", verdict]))
        if row.stock:
            lines.append(_line(["", "stock", *_plain(row.stock), "", ""]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(runs: Sequence[Figures]) -> list[str]:
    return [shown(runs, name) for name in (*STALLS, *COUNTS)]


def _missed(row: Row, goal: float) -> list[bool]:
    """For each figure of ours whether it is not as promised."""
    stalls = [any(above(getattr(run, name), goal) for run in row.ours) for name in STALLS]
    losing = row.broker == "rabbitmq" and any(run.lost for run in row.ours)
    return [*stalls, *(name == "lost" and losing for name in COUNTS)]


def _marked(row: Row, goal: float) -> list[Text]:
    missed = zip(_plain(row.ours), _missed(row, goal), strict=True)
    return [Text(text, "bold red" if red else "green" if text == "0" else "") for text, red in missed]


def _bold(row: Row) -> list[str]:
    missed = zip(_plain(row.ours), _missed(row, row.goal), strict=True)
    return [f"**{text}**" if bold else text for text, bold in missed]
