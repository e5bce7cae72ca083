"""What this package raises: sentences for the person at the terminal, never tracebacks."""

from collections.abc import Sequence


class RehearsalError(Exception):
    """Something that could not be done; the message says what, why, and what to do."""


class InventoryError(RehearsalError):
    """The inventory is refused; `problems` holds every reason, in the order of the file."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Join them to one message."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class MissingError(RehearsalError):
    """Something that hosts are made with is not on this machine; `missing` names each and how to get it."""

    def __init__(self, missing: Sequence[str]) -> None:
        """Join them to one message."""
        self.missing = tuple(missing)
        super().__init__("\n".join(self.missing))
