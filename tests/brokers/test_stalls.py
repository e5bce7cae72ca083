"""The short cut: the rows of the table most likely to be broken by a change, within what is promised for any one node.

The whole table, with goals that are stricter than this bound: `make brokers`.
"""

from pathlib import Path
from typing import Final

import pytest

from tests.brokers.faults import BOUND
from tests.brokers.measure import Ground
from tests.brokers.rows import Row
from tests.brokers.stalls import run_row
from tests.project.running import Project

ROWS: Final = (
    Row("rabbitmq", "power-loss", "leader"),
    Row("rabbitmq", "peers-only", "leader"),
    Row("redis", "power-loss", "leader"),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(row.key))
def test_no_client_stalls_longer_than_the_bound(
    row: Row, observed: Project, request: pytest.FixtureRequest, measured_rows: list[Row], tmp_path: Path
) -> None:
    """Publishing, consuming, a countdown, a worker's start, a producer's start; RabbitMQ loses nothing it confirmed."""
    ground = Ground(request.getfixturevalue(row.broker), observed, tmp_path, stock=False)  # the table has stock's
    measured = run_row(row, ground)
    measured_rows.append(measured)
    assert measured.misses(BOUND) == []
