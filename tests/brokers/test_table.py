"""The table says what is promised, what was measured, and where the two differ."""

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.brokers import document, rows, table
from tests.brokers.faults import BOUND, FAULTS
from tests.brokers.figures import Figures, Stall
from tests.brokers.rows import Row

NO_STALL = Stall(0.0)
GOOD = Figures(Stall(2.0), Stall(2.5), Stall(2.9), Stall(1.0), NO_STALL, lost=0, twice=1, failed=0)
SLOW = Figures(Stall(2.2), Stall(4.0), Stall(2.9), Stall(1.0), NO_STALL, lost=0, twice=0, failed=3)
LOSSY = Figures(Stall(2.0), Stall(2.5), Stall(2.9), Stall(1.0), NO_STALL, lost=2, twice=0, failed=0)
STUCK = Figures(Stall(3.2), Stall(61.0, stuck=True), Stall(60.0, stuck=True), Stall(44.0), NO_STALL, 0, 0, failed=9)


def row(*ours: Figures, **more: Any) -> Row:  # noqa: ANN401 - any field of Row
    """The row in which the leader's host loses its power."""
    kind = {"broker": "rabbitmq", "fault": "power-loss", "target": "leader"}
    given: dict[str, Any] = {**kind, "stock": [STUCK], "pressure": [0.1], **more}
    return Row(ours=list(ours), measured="2026-11-21 12:00", versions="RabbitMQ 4", **given)


def printed(measured: Row, bound: float | None = None) -> list[list[str]]:
    """The lines of the table as a terminal shows them, without their spaces."""
    console = Console(width=200, file=StringIO(), record=True)
    console.print(table.terminal([measured], bound))
    return [line.split() for line in console.export_text().splitlines()]


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (row(GOOD), []),
        (row(SLOW), ["consume 4.0 s, 3 s allowed"]),
        (row(GOOD, GOOD, SLOW), ["consume 4.0 s, 3 s allowed"]),  # two good runs do not hide the third
        (row(LOSSY), ["2 confirmed messages lost"]),
        (row(LOSSY, broker="redis"), []),  # counted and shown: Redis promises nothing of the kind
        (row(problem="nobody leads"), ["nobody leads"]),
        (
            row(STUCK),
            [
                "publish 3.2 s, 3 s allowed",
                "consume > 61, stuck, 3 s allowed",
                "late > 60, stuck, 3 s allowed",
                "worker start 44.0 s, 3 s allowed",
            ],
        ),
    ],
    ids=["met", "slow", "one of three", "lost", "lost on Redis", "not finished", "stuck"],
)
def test_what_misses_its_promise_is_named(measured: Row, expected: list[str]) -> None:
    """Which figure, its value, and what was allowed."""
    assert measured.misses() == expected


def test_another_bound_may_be_asked_for() -> None:
    """CI allows the issue's 5 s where the goal is 3."""
    assert row(SLOW).misses(BOUND) == []


@pytest.mark.parametrize(("stuck", "expected"), [(False, []), (True, ["publish > 1, stuck, 3 s allowed"])])
def test_stuck_is_a_miss_however_short(stuck: bool, expected: list[str]) -> None:  # noqa: FBT001 - a case
    """What had not gone on when the window ended might never have."""
    figures = replace(GOOD, publish=Stall(1.0, stuck))
    assert row(figures).misses() == expected


def test_the_terminal_shows_ours_beside_the_goal_and_stock_below() -> None:
    """Both sides of one fault under each other."""
    lines = printed(row(SLOW))
    fault, ours, stock = (" ".join(line) for line in lines[-5:-2])
    assert fault == "host's power lost, leader"
    assert ours == "ours 2.2 4.0 2.9 1.0 0.0 3 0 0 3 missed"
    assert stock == "stock 3.2 > 61, stuck > 60, stuck 44.0 0.0 9 0 0"


def test_several_runs_show_median_and_maximum() -> None:
    """Counts are added up."""
    [ours] = [line for line in printed(row(GOOD, SLOW, GOOD)) if "ours" in line]
    assert " ".join(ours).endswith("ours 2.0 (max 2.2) 2.5 (max 4.0) 2.9 1.0 0.0 3 0 2 3 missed")


def test_a_row_that_could_not_be_finished_is_shown_as_missed() -> None:
    """Never as a row without stalls."""
    [ours] = [line for line in printed(row(problem="nobody leads", stock=[])) if "ours" in line]
    assert " ".join(ours).endswith("ours - - - - - - - - 3 missed")


def test_markdown_marks_what_misses() -> None:
    """Bold, in the cell and in the verdict."""
    lines = table.markdown([row(SLOW)]).splitlines()
    assert lines[2] == (
        "| host's power lost, leader | ours | 2.2 | **4.0** | 2.9 | 1.0 | 0.0 | 3 | 0 | 0 | 3 | **missed** |"
    )
    assert lines[3] == "|  | stock | 3.2 | > 61, stuck | > 60, stuck | 44.0 | 0.0 | 9 | 0 | 0 |  |  |"


def test_a_row_that_is_measured_again_takes_the_place_of_the_former(tmp_path: Path) -> None:
    """In the order of the table, whatever the order of measuring; what is kept is what was measured."""
    file = tmp_path / "rows.json"
    killed = row(GOOD, fault="kill")
    rows.save(file, [row(SLOW)])
    rows.save(file, [killed])
    rows.save(file, [row(GOOD)])
    assert rows.load(file) == [killed, row(GOOD)]


def test_every_fault_has_a_name_a_goal_and_a_row_for_each_broker() -> None:
    """No row of the table is forgotten because a name is missing."""
    wanted = rows.wanted(("rabbitmq", "redis"), list(FAULTS.values()), rows.TARGETS)
    assert set(table.FAULT_NAMES) == set(FAULTS)
    assert len({(each.broker, table.title(each)) for each in wanted}) == len(wanted) == 26
    assert all(each.goal > 0 for each in wanted)


def test_the_document_keeps_the_words_around_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written by hand stays; what was measured before goes."""
    file = tmp_path / "guarantees.md"
    file.write_text(f"Promised.\n{document.BEGIN}\nold\n{document.END}\nNot promised.\n", encoding="utf-8")
    monkeypatch.setattr(document, "FILE", file)
    document.write([row(GOOD)])
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"Promised.\n{document.BEGIN}\n### RabbitMQ\n\nMeasured 2026-11-21, RabbitMQ 4, 1 run a row")
    assert text.endswith(f"\n{document.END}\nNot promised.\n")
    assert "Not measured yet: process killed, leader; process killed, non-leader; host's power lost, non-leader" in text
    assert "old" not in text
