"""The short cut: one cell a broker, in which several faults follow each other. The whole matrix: `make matrix`."""

import pytest

from tests.delivery.cell import LEAST_SHORT
from tests.delivery.cells import BROKERS, Cell
from tests.delivery.faults import SHORT
from tests.delivery.ground import Ground
from tests.delivery.matrix import run_cell


@pytest.mark.parametrize("ground", BROKERS, indirect=True)
def test_what_was_accepted_is_done(ground: Ground, measured_cells: list[Cell]) -> None:
    """Or bounded by what is promised; and no payment is charged twice."""
    measured = run_cell(Cell(ground.broker, SHORT.name), ground, least=LEAST_SHORT)
    measured_cells.append(measured)
    assert measured.misses() == []
