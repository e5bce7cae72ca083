"""Many messages and one wait: each one's confirm is told from the others'."""

from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from workers.brokers.rabbitmq.confirms import Confirms


class Channel:
    """A channel whose broker answers as it is told."""

    def __init__(self, *answers: Callable[["Channel"], None]) -> None:
        self.events: dict[str, set[Any]] = defaultdict(set)
        self.answers = iter(answers)
        self.asked = False
        self.connection = SimpleNamespace(drain_events=self.drain)
        self.basic_publish: Any = None

    def confirm_select(self) -> None:
        """RabbitMQ counts messages from here on."""
        self.asked = True

    def _basic_publish(self, message: str, **options: object) -> None:
        """Taken."""

    def drain(self, timeout: float) -> None:
        """The next answer."""
        assert timeout > 0
        answer = next(self.answers, None)
        if answer is None:
            raise TimeoutError
        answer(self)


def told(kind: str, number: int, *, multiple: bool = False) -> Callable[[Channel], None]:
    """An answer of the broker."""

    def answer(channel: Channel) -> None:
        for callback in channel.events[kind]:
            callback(number, multiple)

    return answer


def published(channel: Channel, number: int) -> Confirms:
    """So many messages."""
    confirms = Confirms(channel)
    assert channel.asked
    for each in range(number):
        channel.basic_publish(f"message {each}", routing_key="default")
    return confirms


def test_all_are_told_apart() -> None:
    """A no among many yeses must find its message."""
    channel = Channel(told("basic_ack", 2, multiple=True), told("basic_nack", 4), told("basic_ack", 3))
    confirms = published(channel, 4)
    assert confirms.wait(1)
    assert (confirms.taken, confirms.refused) == ({1, 2, 3}, {4})


@pytest.mark.parametrize("number", [1, 3])
def test_what_is_not_confirmed_in_time_is_not_taken(number: int) -> None:
    """It may have arrived; whoever sent it sends it again."""
    confirms = published(Channel(told("basic_ack", 1)), number)
    assert confirms.wait(0.5) is (number == 1)
    assert confirms.taken == {1}
    assert confirms.open == set(range(2, number + 1))
