"""The short cut: the cells of the matrix most likely to be broken by a change. The whole matrix: `make matrix`."""

from typing import Final

import pytest

from tests.delivery.cell import LEAST_SHORT
from tests.delivery.cells import Cell
from tests.delivery.ground import Ground
from tests.delivery.matrix import run_cell

#: What our own code closes, and Celery alone does not: on RabbitMQ a lost process, on Redis a lost message.
CELLS: Final = (
    Cell("rabbitmq", "child-kill"),
    Cell("rabbitmq", "power-loss"),
    Cell("redis", "worker-power"),
)


@pytest.mark.parametrize(
    ("ground", "cell"),
    [(cell.broker, cell) for cell in CELLS],
    indirect=["ground"],
    ids=["-".join(cell.key) for cell in CELLS],
)
def test_what_was_accepted_is_done(ground: Ground, cell: Cell, measured_cells: list[Cell]) -> None:
    """Or bounded by what is promised; and no payment is charged twice."""
    measured = run_cell(cell, ground, least=LEAST_SHORT)
    measured_cells.append(measured)
    assert measured.misses() == []
