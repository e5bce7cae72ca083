"""Many messages, and one wait for all their confirms: RabbitMQ writes to disk together what comes together.

One message after the other waits for the disk each time: a relay with ten thousand messages would take minutes.
"""

from time import monotonic
from typing import Any


class Confirms:
    """What became of the messages that are published on a channel, each by its number: 1 for the first."""

    def __init__(self, channel: Any) -> None:
        """Ask for confirms on `channel`, a new one on which nobody else publishes; its publishes no longer wait."""
        self.open: set[int] = set()
        self.taken: set[int] = set()
        self.refused: set[int] = set()
        self._channel = channel
        self._connection = channel.connection
        self._published = 0
        channel.confirm_select()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.basic_publish = self._publish  # as py-amqp itself does, for publishes that wait

    @property
    def last(self) -> int:
        """The number of the message that was published last."""
        return self._published

    def wait(self, seconds: float) -> bool:
        """Whether all was settled within so many seconds; raises what a lost connection or a closed channel raises."""
        deadline = monotonic() + seconds
        while self.open and (left := deadline - monotonic()) > 0:
            try:
                self._connection.drain_events(timeout=left)
            except TimeoutError:
                break
        return not self.open

    def _publish(self, message: Any, **options: Any) -> None:
        self._published += 1
        self.open.add(self._published)
        self._channel._basic_publish(message, **options)  # noqa: SLF001 - py-amqp's name for it without a wait

    def _on_ack(self, number: int, multiple: bool) -> None:
        self._settle(number, self.taken, multiple=multiple)

    def _on_nack(self, number: int, multiple: bool) -> None:
        self._settle(number, self.refused, multiple=multiple)

    def _settle(self, number: int, found: set[int], *, multiple: bool) -> None:
        settled = {each for each in self.open if each <= number} if multiple else self.open & {number}
        self.open -= settled
        found |= settled
