"""Shows what is going on, and how long each step takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

console = Console(highlight=False)


class StepFailedError(Exception):
    """A step did not do what it should: the text is for the user."""


@contextmanager
def step(name: str) -> Iterator[Callable[[str], None]]:
    """One line a step: a spinner, the seconds, and whatever is said last; afterwards its time.

    Where nobody watches (a pipe, CI) there is a line when it begins and one when it ends.
    """
    began = monotonic()
    if console.is_terminal:
        with live(name) as say:
            yield say
    else:
        console.print(f"  {escape(name)} ...")
        yield lambda _said: None
    console.print(f"[green]✓[/] {escape(name)} [dim]{monotonic() - began:.1f} s[/]")


@contextmanager
def live(name: str) -> Iterator[Callable[[str], None]]:
    """The line that moves; it is gone when the step is over."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    width = max(20, console.width - len(name) - 16)
    with Progress(*columns, TextColumn("[dim]{task.fields[detail]}"), console=console, transient=True) as progress:
        task = progress.add_task(escape(name), detail="", total=None)
        yield lambda said: progress.update(task, detail=escape(said.strip()[:width]))
