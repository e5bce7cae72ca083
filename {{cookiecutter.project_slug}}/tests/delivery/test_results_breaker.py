"""Who is known to be away is asked now and then, and not by everybody."""

import time
from contextlib import suppress

import pytest

from workers.delivery.results import breaker
from workers.delivery.results.bounded import bounded
from workers.delivery.results.breaker import AwayError, Breaker


class Clock:
    """A time that tests move on."""

    now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of breakers."""
    clock = Clock()
    monkeypatch.setattr(breaker, "monotonic", clock)
    return clock


@pytest.fixture
def sut(clock: Clock) -> Breaker:  # noqa: ARG001 - it is to be there first
    """A closed one."""
    return Breaker("it", outages=(TimeoutError,), refusals=(ValueError,), harmless=(UnicodeError,))


def _fail(sut: Breaker, error: Exception) -> None:
    with sut:
        raise error


def _is_refused(sut: Breaker) -> bool:
    try:
        with sut:
            raise TimeoutError("tried")
    except AwayError as error:
        return error.__cause__ is None


def test_an_outage_refuses_the_next_calls(sut: Breaker) -> None:
    """Without trying, and with the reason."""
    with pytest.raises(AwayError, match="it is away"):
        _fail(sut, TimeoutError("no answer"))
    with pytest.raises(AwayError, match=r"^it is away \(no answer\)$"):
        sut.refuse()
    assert _is_refused(sut)


def test_one_call_tries_after_a_pause(sut: Breaker, clock: Clock) -> None:
    """The others are refused meanwhile; a failed try doubles the pause, up to a bound."""
    with pytest.raises(AwayError):
        _fail(sut, TimeoutError())
    pauses = []
    for _ in range(6):
        began = clock.now
        while _is_refused(sut):
            clock.now += 0.5
        pauses.append(clock.now - began)
    assert pauses == [1, 2, 4, 8, 10, 10]


def test_those_who_fail_together_are_one_outage(sut: Breaker, clock: Clock) -> None:
    """A hundred greenlets that waited for the same answer do not make the pause longer."""
    with sut, suppress(TimeoutError):  # its error is its own
        for _ in range(100):
            with pytest.raises(AwayError):
                sut.__exit__(TimeoutError, TimeoutError(), None)
    clock.now += 1.0
    with sut:
        pass


def test_a_try_that_succeeds_closes_it(sut: Breaker, clock: Clock) -> None:
    """For everybody; others that come while it tries are refused."""
    with pytest.raises(AwayError):
        _fail(sut, TimeoutError())
    clock.now += 1.0
    with sut:
        assert _is_refused(sut)
    for _ in range(3):
        with sut:
            pass


def test_a_refusal_does_not_open_it(sut: Breaker) -> None:
    """It takes no time: the next call may be taken."""
    with pytest.raises(AwayError, match=r"^it refuses \(full\)$"):
        _fail(sut, ValueError("full"))
    with sut:
        pass


def test_other_errors_are_none_of_its_business(sut: Breaker) -> None:
    """They pass as they are: a programmer's, and those that a library answers itself."""
    for error in (KeyError("k"), UnicodeError("u")):
        with pytest.raises(type(error)):
            _fail(sut, error)


def test_a_bounded_call_ends() -> None:
    """With its value, its error, or without either."""
    assert bounded(lambda: 7, 1) == 7
    with pytest.raises(KeyError):
        bounded(lambda: {"a": 1}["x"], 1)
    with pytest.raises(TimeoutError, match=r"^no answer within 0\.1 s$"):
        bounded(lambda: time.sleep(1), 0.1)
