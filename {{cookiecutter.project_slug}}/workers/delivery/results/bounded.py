"""Calls of libraries that know no time-out."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def bounded(work: Callable[[], T], seconds: float) -> T:
    """What `work` returns or raises, or TimeoutError after `seconds`; it may then still go on, and nobody waits for it.

    A thread of its own each time, 0.1 ms: a pool's would be lost to the first call that hangs, and would have to
    survive forks.
    """
    outcome: Future[T] = Future()
    Thread(target=_settle, args=(outcome, work), daemon=True, name="bounded").start()
    try:
        return outcome.result(seconds)
    except TimeoutError as error:
        if outcome.done():
            raise  # its own
        raise TimeoutError(f"no answer within {seconds:g} s") from error


def _settle(outcome: Future[T], work: Callable[[], T]) -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
        outcome.set_exception(error)
