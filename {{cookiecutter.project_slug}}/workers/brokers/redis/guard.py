"""A client of Redis that goes through a circuit breaker."""

from typing import Any

from redis import ConnectionError, Redis, ResponseError, TimeoutError  # noqa: A004 - the client's own, not Python's
from redis.client import Pipeline
from redis.exceptions import NoScriptError

from workers.delivery.results.breaker import Breaker


def breaker(name: str) -> Breaker:
    """A breaker for the Redis that is called `name`; one that is full or read-only refuses, and that quickly."""
    return Breaker(
        name, outages=(ConnectionError, TimeoutError, OSError), refusals=(ResponseError,), harmless=(NoScriptError,)
    )


class Guarded(Redis):
    """Every command raises AwayError where redis-py would raise that it is away or refuses."""

    def __init__(self, guard: Breaker, **options: Any) -> None:
        """As redis-py's; nothing is connected yet."""
        super().__init__(**options)
        self.guard = guard

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command; its reply."""
        with self.guard:
            return super().execute_command(*args, **options)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> "GuardedPipeline":  # noqa: FBT002 - redis-py's
        """Several commands at once."""
        pipeline = GuardedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.guard = self.guard
        return pipeline


class GuardedPipeline(Pipeline):
    """The same for a pipeline."""

    guard: Breaker

    def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command now: what is asked while keys are watched."""
        with self.guard:
            return super().immediate_execute_command(*args, **options)

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT002 - redis-py's
        """Send them; their replies."""
        with self.guard:
            return super().execute(raise_on_error)
