"""The checker's verdict over made-up histories: each verdict where it is due, and not where it is not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.delivery.checker import History, Verdict, judge, outstanding
from tests.delivery.kinds import BY_NAME
from tests.delivery.ledger import Entry, What

LATE, EARLY, PAID, DURABLE, FETCHED = "note.priority", "note.default", "pay.priority", "order.priority", "answer.io"


def entry(what: What, kind: str, number: int = 1, **more: Any) -> Entry:  # noqa: ANN401 - any field of Entry
    """A line about the task of that number."""
    return Entry(0.0, what, kind, f"{kind}-{number}", "w1", **more)


def lived(kind: str, *what: What) -> list[Entry]:
    """Lines about one task."""
    return [entry(each, kind) for each in what]


def names(verdict: Verdict) -> dict[str, Sequence[str]]:
    """Every list of ids that is not empty."""
    return {name: value for name, value in vars(verdict).items() if isinstance(value, list) and value}


def test_the_kinds_are_what_this_file_takes_them_for() -> None:
    """Otherwise the cases below would say nothing."""
    assert BY_NAME[LATE].late
    assert not BY_NAME[EARLY].late
    assert BY_NAME[PAID].paid
    assert BY_NAME[DURABLE].durable
    assert BY_NAME[FETCHED].fetched


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (History(lived(LATE, "tried", "accepted", "began", "done")), {}),
        (History(lived(LATE, "tried", "accepted")), {"lost_late": [f"{LATE}-1"]}),
        (History(lived(LATE, "tried", "accepted", "began")), {"lost_late": [f"{LATE}-1"]}),  # begun is not done
        (History(lived(EARLY, "tried", "accepted", "began")), {"lost_early": [f"{EARLY}-1"]}),
        (History(lived(LATE, "tried", "refused")), {}),  # its sender knows
        (History(lived(LATE, "tried")), {}),  # its sender was still waiting
        (History(lived(LATE, "tried", "refused", "began", "done")), {"recovered": [f"{LATE}-1"]}),
        (History(lived(LATE, "tried", "accepted", "done", "done")), {"twice": [f"{LATE}-1"]}),
        (History(lived(LATE, "tried", "accepted", "began", "began", "done")), {}),  # the first run was interrupted
        (History(lived(LATE, "began", "done")), {"unexpected": [f"{LATE}-1"]}),
        (History(lived(LATE, "tried", "accepted", "began"), dead={f"{LATE}-1"}), {"dead": [f"{LATE}-1"]}),
        (History(lived(LATE, "tried", "accepted", "done"), dead={"of-another-cell"}), {}),
    ],
    ids=[
        "done", "lost", "interrupted", "lost early", "refused", "unknown", "recovered", "twice", "taken up again",
        "unexpected", "given up", "another cell's letter",
    ],
)  # fmt: skip
def test_each_fate_has_its_verdict(history: History, expected: dict[str, Sequence[str]]) -> None:
    """And no other."""
    assert names(judge(history)) == expected


def test_a_payment_is_done_where_it_is_charged() -> None:
    """Whatever its task wrote down: a run that finds the payment done does nothing."""
    tried = lived(PAID, "tried", "accepted", "began", "began")
    assert names(judge(History(tried, charges={f"{PAID}-1": 1}))) == {}
    assert names(judge(History(tried, charges={f"{PAID}-1": 2}))) == {"charged_twice": [f"{PAID}-1"]}
    assert names(judge(History([*tried, entry("done", PAID)]))) == {"lost_late": [f"{PAID}-1"]}


def test_a_charge_that_nobody_asked_for_is_seen() -> None:
    """Also where no task wrote anything down."""
    assert names(judge(History([], charges={f"{PAID}-9": 1}))) == {"unexpected": [f"{PAID}-9"]}


def test_an_order_is_accepted_by_its_commit() -> None:
    """Not by what its sender saw: the connection may break after the commit, and a sent order be rolled back."""
    order = {f"{DURABLE}-1"}
    assert names(judge(History(lived(DURABLE, "tried", "refused"), committed=order))) == {"lost_late": [*order]}
    assert names(judge(History(lived(DURABLE, "tried", "accepted")))) == {}
    assert names(judge(History(lived(DURABLE, "tried", "refused", "done"), committed=order))) == {}


def test_a_result_is_lost_where_the_task_is_done_and_nothing_is_there() -> None:
    """Of a task that is lost itself, only the task is counted."""
    done = lived(FETCHED, "tried", "accepted", "done")
    assert names(judge(History(done))) == {"results_lost": [f"{FETCHED}-1"]}
    assert names(judge(History(done, results={f"{FETCHED}-1"}))) == {}
    assert names(judge(History(lived(FETCHED, "tried", "accepted")))) == {"lost_late": [f"{FETCHED}-1"]}


def test_the_longest_waits_are_those_of_yes_and_no() -> None:
    """Of senders and of those who ask for a result, apart."""
    senders = [entry("accepted", LATE, 1, took=0.1), entry("refused", LATE, 2, took=7.5)]
    askers = [entry("got", FETCHED, 3, took=0.2), entry("missed", FETCHED, 4, took=3.0)]
    verdict = judge(History([*senders, *askers]))
    assert (verdict.told, verdict.asked) == (7.5, 3.0)


def test_steps_that_are_done_again_are_counted() -> None:
    """A long task that went on where it was has done none twice."""
    steps = [entry("step", "stride.batch", number=1, took=0.0) for _ in range(1)]
    again = [*steps, *steps, replace(steps[0], number=5)]
    assert judge(History(steps)).steps_again == 0
    assert judge(History(again)).steps_again == 1


def test_what_is_outstanding_is_what_would_be_lost_if_nothing_came_any_more() -> None:
    """So a cell may end where nothing is."""
    history = History([*lived(LATE, "tried", "accepted"), *lived(EARLY, "tried", "accepted", "done")])
    assert outstanding(history) == {f"{LATE}-1"}
    assert outstanding(replace(history, dead={f"{LATE}-1"})) == set()
