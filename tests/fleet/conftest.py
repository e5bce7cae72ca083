"""One fleet a session: each row finds what the one before it left."""

from collections.abc import Iterator

import pytest

from rehearsal.requirements import what_is_missing
from tests.fleet.ground import Ground


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Ground]:
    """Eleven bare hosts."""
    if missing := what_is_missing():
        pytest.skip("; ".join(missing))
    with Ground(pytestconfig.getoption("fleet_name"), tmp_path_factory.mktemp("fleet")) as made:
        yield made


def pytest_addoption(parser: pytest.Parser) -> None:
    """Two runs on one machine need names of their own."""
    parser.addoption("--fleet-name", default="tested", metavar="NAME", help="how the hosts' fleet is called")
