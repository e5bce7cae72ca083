"""What a store of claims answers, whichever it is, and what goes wrong with claims."""

from dataclasses import dataclass
from typing import Protocol


class ClaimBusyError(Exception):
    """Somebody else does this at the moment. In a worker the task waits; a direct call is told by this error."""


class ClaimLostError(Exception):
    """This run took too long and was presumed dead: somebody else may have begun. Roll back, and leave it to them."""


@dataclass(frozen=True)
class Holder:
    """Who asks for a claim."""

    name: str
    """Worker and process, and a part by chance: no other attempt has or had the same."""
    task_id: str = ""
    losses: int = 0
    """How many processes died under this task. With a higher number than the holder's own, the holder is dead."""


@dataclass(frozen=True)
class Taken:
    """The claim is ours."""

    token: int
    tries: int


@dataclass(frozen=True)
class Done:
    """It was done before."""

    result: str
    """As JSON; nothing where the function returned what cannot be kept."""


@dataclass(frozen=True)
class Busy:
    """Somebody else holds the claim."""

    seconds: float
    """At most until it may be taken over."""


Answer = Taken | Done | Busy


class Store(Protocol):
    """Where claims are kept. Every method raises what the store's client does where it cannot be reached."""

    #: What that is: nothing was claimed then, and it may be better later.
    away: tuple[type[Exception], ...]

    def take(self, key: str, holder: Holder, lease: float) -> Answer:
        """Take the claim for `lease` seconds: if nobody has it, or had it and failed, or has it for too long."""

    def complete(self, key: str, token: int, result: str, ttl: float) -> bool:
        """Note what came of it and keep that for `ttl` seconds; False if the claim is no longer ours."""

    def fail(self, key: str, token: int, ttl: float) -> bool:
        """Let the next try have it; False if the claim is no longer ours."""

    def verify(self, key: str, token: int) -> bool:
        """Whether the claim is still ours."""
