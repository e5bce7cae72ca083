"""The rows that every merge has to pass, on one fleet, in their order. The whole table: `make fleet`."""

import pytest

from tests.fleet.ground import Ground
from tests.fleet.rows import ROWS, SHORT


@pytest.mark.parametrize("name", SHORT)
def test_the_fleet_shows(ground: Ground, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What the table promises; a row that fails leaves the next ones a fleet that may not serve."""
    seen = ROWS[name].do(ground)
    with capsys.disabled():
        print(f"\n{ROWS[name].title}: {seen.shown}")  # noqa: T201 - who waits for minutes wants to know
    assert seen.misses == []
