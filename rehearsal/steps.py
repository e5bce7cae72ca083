"""Shows long work step by step: what is going on, and how long each step took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text


class Steps:
    """A Watch that writes to `console`: a moving line for each step under way, a lasting one for each that ended.

    Where the output is no terminal, only the lasting lines are written.
    """

    def __init__(self, console: Console) -> None:
        """Write to `console`; what moves begins with the `with` block."""
        self.console = console
        columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        self._moving = Progress(*columns, console=console, transient=True)
        self._told: TaskID | None = None

    def __enter__(self) -> Self:
        """Begin to show what moves."""
        if self.console.is_terminal:
            self._moving.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        if self.console.is_terminal:
            self._moving.stop()

    def tell(self, what: str) -> None:
        """Show what goes on within a step, until something else does; nothing where the output is no terminal."""
        if self._told is None:
            self._told = self._moving.add_task(what, total=None)
        self._moving.update(self._told, description=f"[dim]{escape(what)}[/]", visible=bool(what))

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Show `step` for as long as the block runs."""
        task = self._moving.add_task(step, total=None)
        began = time.monotonic()
        sign = Text("✗", "red")
        try:
            yield
            sign = Text("✓", "green")
        finally:
            self._moving.remove_task(task)
            self.console.print(Text.assemble(sign, f"{time.monotonic() - began:7.2f} s  ", step))
