"""A cell misses its promise where a figure is above it, and the table shows which."""

from dataclasses import fields, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.brokers import document as brokers_document
from tests.delivery import cells, document, table
from tests.delivery.cells import Cell
from tests.delivery.checker import Verdict
from tests.delivery.faults import FAULTS
from tests.delivery.promises import ASKED, NOTHING, TOLD, Promise

NONE: dict[str, Any] = {field.name: [] for field in fields(Verdict)}
GOOD = Verdict(**{**NONE, "tried": 2000, "accepted": 2000, "told": 0.2, "asked": 0.1, "steps_again": 0})


@pytest.mark.parametrize(
    ("promise", "change", "expected"),
    [
        (NOTHING, {}, []),
        (NOTHING, {"lost_late": ["a"]}, ["acknowledged late and lost: 1, 0 promised: a"]),
        (NOTHING, {"lost_early": ["a", "b"]}, ["acknowledged early and lost: 2, 0 promised: a, b"]),
        (Promise(early=2), {"lost_early": ["a", "b"]}, []),
        (Promise(early=2), {"lost_late": ["a"]}, ["acknowledged late and lost: 1, 0 promised: a"]),
        (Promise(late=9, early=9), {"charged_twice": ["a"]}, ["payments charged twice: 1, 0 promised: a"]),
        (Promise(late=9, early=9), {"unexpected": ["a"]}, ["run, and nobody sent them: 1, 0 promised: a"]),
        (NOTHING, {"results_lost": ["a"]}, ["results lost: 1, 0 promised: a"]),
        (Promise(results=1), {"results_lost": ["a"]}, []),
        (NOTHING, {"twice": ["a"], "recovered": ["a"], "dead": ["a"]}, []),
        (NOTHING, {"told": TOLD + 1}, [f"a sender waited {TOLD + 1:.1f} s for its answer, {TOLD:.0f} s are promised"]),
        (
            NOTHING,
            {"asked": ASKED + 1},
            [f"somebody waited {ASKED + 1:.1f} s for a result, {ASKED:.0f} s are promised"],
        ),
    ],
)
def test_what_is_above_the_promise_is_named(promise: Promise, change: dict[str, Any], expected: list[str]) -> None:
    """Which figure, how many, how many are allowed, and a few of them."""
    assert list(promise.broken(replace(GOOD, **change))) == expected


def test_a_promise_that_allows_losses_names_the_window() -> None:
    """A bound without a reason is an excuse."""
    promises = [fault.promise(broker) for fault in FAULTS.values() for broker in cells.BROKERS]
    assert [promise for promise in promises if bool(promise.window) != (promise != NOTHING)] == []


def test_a_cell_that_was_not_measured_is_a_miss() -> None:
    """Never a cell without losses."""
    assert Cell("redis", "term").misses() == ["not measured"]
    assert Cell("redis", "term", problem="no fleet").misses() == ["no fleet"]


def test_a_cell_that_is_measured_again_takes_the_place_of_the_former(tmp_path: Path) -> None:
    """In the order of the matrix, whatever the order of measuring; what is read back is what was written."""
    file = tmp_path / "cells.json"
    late, early = Cell("redis", "term", verdict=GOOD), Cell("rabbitmq", "memory", verdict=GOOD)
    cells.save(file, [Cell("redis", "term", problem="no fleet")])
    cells.save(file, [late])
    cells.save(file, [early])
    assert cells.load(file) == [early, late]


def test_the_matrix_has_every_fault_on_either_broker() -> None:
    """No cell of it is forgotten."""
    wanted = cells.wanted(cells.BROKERS, list(FAULTS))
    assert len({cell.key for cell in wanted}) == len(wanted) == 38


def test_the_terminal_shows_every_figure() -> None:
    """With what is promised, and the verdict, in 120 columns."""
    console = Console(width=120, file=StringIO(), record=True)
    lost = replace(GOOD, lost_late=["a"], lost_early=["b"], twice=["c"] * 3, dead=["d"], told=3.25)
    console.print(
        table.terminal([Cell("rabbitmq", "quit", verdict=lost), Cell("rabbitmq", "kill", problem="no fleet")])
    )
    text = console.export_text()
    assert " ".join(_line(text, "worker: QUIT").split()) == "worker: QUIT 2,000 2 0 3 0 0 1 3.2 0 missed"
    assert " ".join(_line(text, "one broker node: KILL").split()).endswith("- - - - - - - - 0 missed")


def test_the_document_says_what_may_be_lost_and_why_a_cell_misses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And keeps the words around the table."""
    file = tmp_path / "guarantees.md"
    file.write_text(f"Before.\n{document.BEGIN}\nbefore this\n{document.END}\nAfter.\n", encoding="utf-8")
    monkeypatch.setattr(brokers_document, "FILE", file)
    lost = replace(GOOD, lost_late=["a"])
    measured = [Cell("redis", fault, "2026-11-21 16:00", "Redis 8", lost) for fault in ("term", "kill")]
    document.write(measured)
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"Before.\n{document.BEGIN}\n### RabbitMQ: what is lost\n\nNot measured yet.\n")
    assert "\n### Redis Sentinel: what is lost\n\nMeasured 2026-11-21, Redis 8, by `make matrix`.\n" in text
    assert "| worker: TERM | 2,000 | **1** | 0 | 0 | 0 | 0 | 0 | 0.2 | nothing | **missed** |" in text
    assert "| one broker node: KILL | 2,000 | 1 | 0 | 0 | 0 | 0 | 0 | 0.2 | acknowledged late 5, acknow" in text
    assert "- worker: TERM: acknowledged late and lost: 1, 0 promised: a\n" in text
    assert "- not measured yet: worker: QUIT; " in text
    assert text.endswith(f"{document.END}\nAfter.\n")
    assert "before this" not in text


def _line(text: str, beginning: str) -> str:
    return next(line for line in text.splitlines() if beginning in line)
