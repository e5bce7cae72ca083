"""How far the demonstration has come: bars on a terminal, now and then a line elsewhere."""

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from shop.demo.work import Followed

EVERY = 5  # seconds


class Bars:
    """A bar for each kind of work, redrawn in place."""

    def __init__(self, console: Console, kinds: Iterable[Followed]) -> None:
        columns = (TextColumn("{task.description:>12}"), BarColumn(36), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console)
        self._bars = {kind.label: self._progress.add_task(kind.label, total=kind.expected) for kind in kinds}
        self._kinds = list(kinds)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def show(self) -> None:
        """Draw where things stand."""
        for kind in self._kinds:
            done, total = counts(kind)
            self._progress.update(self._bars[kind.label], completed=done, total=total)


class Lines:
    """A line every few seconds: for logs, where nothing can be redrawn."""

    def __init__(self, console: Console, kinds: Iterable[Followed]) -> None:
        self._console = console
        self._kinds = list(kinds)
        self._start = self._next = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._line()

    def show(self) -> None:
        """Write where things stand, if it is time."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY
            self._line()

    def _line(self) -> None:
        states = "  ".join(f"{kind.label} {done}/{total}" for kind in self._kinds for done, total in [counts(kind)])
        self._console.print(f"{time.monotonic() - self._start:5.1f} s  {states}", highlight=False, soft_wrap=True)


def counts(kind: Followed) -> tuple[int, int]:
    """How many of how many: of an import its rows, of everything else the finished ones."""
    for state in [*kind.open.values(), *kind.done]:
        if state.get("rows_total"):
            return int(state["rows_done"]), int(state["rows_total"])
    return len(kind.done), kind.expected
