"""A fleet that stands as long as a block runs."""

from abc import ABC, abstractmethod
from typing import Self

from rehearsal import Fleet


class Standing(ABC):
    """To be entered: then the fleet is up, and everything on it runs. It is taken away at the end, whatever happens."""

    fleet: Fleet

    def __enter__(self) -> Self:
        """Bring it up; what a run that was killed left of it is taken away first."""
        self.fleet.down()
        self.fleet.up()
        try:
            self._set_up()
        except BaseException:
            self.fleet.down()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        self.fleet.down()

    @abstractmethod
    def _set_up(self) -> None:
        """Have everything run on hosts that have just booted."""
