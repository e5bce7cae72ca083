"""The hosts are brought up once a session; each test finds them with nothing of the project running."""

from collections.abc import Iterator

import pytest

from rehearsal.requirements import what_is_missing
from tests.systemd import project
from tests.systemd.ground import Ground


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Ground]:
    """A host with the project's units, one with its database and its broker."""
    if missing := what_is_missing():
        pytest.skip("; ".join(missing))
    folder = tmp_path_factory.mktemp("systemd")
    name = pytestconfig.getoption("systemd_fleet")
    with Ground(name, project.make(folder / "project"), folder) as made:
        yield made


@pytest.fixture
def ground(standing: Ground) -> Iterator[Ground]:
    """The same, and whatever the test has started is stopped again."""
    yield standing
    for app in standing.apps:
        app.quiet()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Two runs on one machine need names of their own."""
    parser.addoption("--systemd-fleet", default="systemd", metavar="NAME", help="how the hosts' fleet is called")
