"""How much waits in a queue: the same four numbers on both brokers."""

from typing import NamedTuple


class Depth(NamedTuple):
    """Messages of one queue, by what becomes of them next."""

    ready: int
    """A worker may take them."""
    unacked: int
    """A worker holds them and has not acknowledged them: they run, or are reserved."""
    delayed: int
    """They wait for their countdown or ETA."""
    dead: int
    """They were given up; somebody has to look."""

    @property
    def total(self) -> int:
        """All that is still to be done."""
        return self.ready + self.unacked + self.delayed
