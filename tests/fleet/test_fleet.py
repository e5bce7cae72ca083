"""The rows that every change has to pass; `make fleet` runs them all."""

import pytest

from tests.fleet.ground import Ground
from tests.fleet.rows import ROWS, SHORT


@pytest.mark.parametrize("name", SHORT)
def test_row(name: str, ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is refused, lost or done twice; how long it took is told, because the machine may be busy."""
    seen = ROWS[name].do(ground)
    with capsys.disabled():
        print(f"\n{ROWS[name].title}: {'; '.join([seen.shown, *seen.late])}")  # noqa: T201 - minutes lie between rows
    assert seen.misses == []
