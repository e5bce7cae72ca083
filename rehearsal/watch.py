"""How long work tells whoever watches what it is doing."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

#: Called with a step's description, entered when the step begins and left when it ends. Steps may run side by side.
Watch = Callable[[str], AbstractContextManager[None]]


@contextmanager
def unwatched(step: str) -> Iterator[None]:  # noqa: ARG001 - the signature of a Watch
    """For callers that do not want to know."""
    yield
