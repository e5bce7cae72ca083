"""Shows long work step by step: what is going on, and how long each step took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
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

    def __enter__(self) -> Self:
        """Begin to show what moves."""
        if self.console.is_terminal:
            self._moving.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        if self.console.is_terminal:
            self._moving.stop()

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
