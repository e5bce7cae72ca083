"""The fleet is brought up once a session: its tests are one story, in the order of their file."""

from collections.abc import Iterator

import pytest

from rehearsal.requirements import what_is_missing
from tests.fleet.ground import Ground


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Ground]:
    """Eleven hosts with nothing on them."""
    if missing := what_is_missing():
        pytest.skip("; ".join(missing))
    with Ground(pytestconfig.getoption("fleet_name"), tmp_path_factory.mktemp("fleet")) as made:
        yield made


def pytest_addoption(parser: pytest.Parser) -> None:
    """Two runs on one machine need names of their own."""
    parser.addoption("--fleet-name", default="fleet", metavar="NAME", help="how the hosts' fleet is called")
