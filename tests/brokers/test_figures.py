"""The arithmetic behind the table: what counts as a stall, what as stuck, what as lost."""

from collections.abc import Sequence

import pytest

from tests.brokers import figures
from tests.brokers.figures import Stall, Window
from tests.brokers.observers.events import Event, Kind, What

WINDOW = Window(100.0, 120.0)
#: Twenty successes a second from before the window to its end, and after.
STEADY = [90 + number / 20 for number in range(800)]


def event(what: What, at: float, kind: Kind = "now", identifier: str = "a", due: float = 0.0) -> Event:
    """An event of the observer that is watched."""
    return Event(at, "worker", what, kind, identifier, due)


def stalled(began: float, ended: float) -> list[float]:
    """The steady stream without what would have succeeded between two moments."""
    return [moment for moment in STEADY if not began < moment < ended]


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        (STEADY, Stall(0.0)),
        (stalled(103, 110), Stall(6.95)),
        (stalled(95, 104), Stall(8.95)),  # it began before the window and belongs to it
        (stalled(105, 900), Stall(14.95, stuck=True)),
        (stalled(119, 900), Stall(0.95)),  # the window ends, not the stream
        ([], Stall(19.95, stuck=True)),
    ],
    ids=["steady", "within", "from before", "to the end", "cut short", "never"],
)
def test_a_stall_is_the_longest_time_without_a_success(moments: Sequence[float], expected: Stall) -> None:
    """Less the regular interval; one that reaches the end of the window is said to be stuck."""
    found = figures.longest_gap(moments, WINDOW, interval=0.05)
    assert found.seconds == pytest.approx(expected.seconds)
    assert found.stuck == expected.stuck


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ([event("run", 105.0, "eta")], Stall(0.0)),
        ([event("run", 108.5, "eta")], Stall(3.5)),
        ([event("run", 108.5, "eta"), event("run", 119.0, "eta")], Stall(3.5)),  # the second run is counted elsewhere
        ([event("run", 130.0, "eta")], Stall(15.0, stuck=True)),
        ([], Stall(0.0)),  # it is counted as lost
    ],
    ids=["in time", "late", "late, twice", "after the window", "never"],
)
def test_a_task_with_a_countdown_is_late_by_what_its_start_is_behind(run: Sequence[Event], expected: Stall) -> None:
    """The latest one counts; one that a worker stuck until it was replaced had kept is late without an end."""
    sent = event("sent", 102.0, "eta", due=105.0)
    assert figures.lateness([sent, *run], WINDOW) == expected


def test_a_task_that_was_due_outside_the_window_is_not_late_in_it() -> None:
    """What happened before the fault is not the fault's."""
    assert figures.lateness([event("sent", 50.0, "eta", due=60.0)], WINDOW) == Stall(0.0)


def test_a_start_takes_from_a_loaded_program_to_its_first_success() -> None:
    """And what it usually takes is not held against the fault."""
    found = figures.start([event("up", 103.0), event("run", 108.0), event("run", 109.0)], "worker", 101.0, WINDOW)
    assert found == Stall(5.0)
    assert figures.beyond(found, usual=2.0) == Stall(3.0)
    assert figures.beyond(found, usual=9.0) == Stall(0.0)


def test_a_start_without_a_success_is_stuck() -> None:
    """To the end of the window, from its exec where it was not even loaded."""
    assert figures.start([], "worker", 101.0, WINDOW) == Stall(19.0, stuck=True)
    assert figures.start([event("up", 103.0)], "worker", 101.0, WINDOW) == Stall(17.0, stuck=True)


def test_confirmed_and_never_run_is_lost_and_run_again_is_twice() -> None:
    """A message whose publish failed may arrive or not: it is neither."""
    sent = [event("sent", 101.0, identifier=name) for name in "abc"] + [event("failed", 101.0, identifier="d")]
    run = [event("run", 102.0, identifier=name) for name in "aaabd"]
    assert figures.lost(sent + run, since=100.0) == {"c"}
    assert figures.lost(sent + run, since=101.5) == set()
    assert figures.twice(sent + run) == 2


def test_several_runs_are_shown_by_their_median() -> None:
    """One stuck run of three does not make the middle one stuck; two do."""
    assert figures.middle([Stall(1.0), Stall(2.0), Stall(30.0, stuck=True)]) == Stall(2.0)
    assert figures.middle([Stall(1.0), Stall(20.0, stuck=True), Stall(30.0, stuck=True)]).stuck


@pytest.mark.parametrize(
    ("stall", "expected"), [(Stall(2.345), "2.3"), (Stall(0.0), "0.0"), (Stall(48.2, stuck=True), "> 48, stuck")]
)
def test_a_stall_is_shown_to_the_tenth_of_a_second(stall: Stall, expected: str) -> None:
    """And one without an end as such."""
    assert str(stall) == expected
