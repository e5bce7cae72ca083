"""A fleet for each broker, brought up once: the cells of the short cut and the hostile messages share it."""

from collections.abc import Iterator

import pytest

from rehearsal.requirements import what_is_missing
from tests.brokers import table as brokers_table
from tests.delivery import project, table
from tests.delivery.cells import Cell
from tests.delivery.ground import Ground

MEASURED = pytest.StashKey[list[Cell]]()


@pytest.fixture(scope="session")
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Brokers, workers of every group on two hosts, a database, a store of results."""
    if missing := what_is_missing():
        pytest.skip("; ".join(missing))
    folder = tmp_path_factory.mktemp(request.param)
    with Ground(f"dl-{request.param}", request.param, project.make(folder / "project"), folder) as made:
        yield made


@pytest.fixture(scope="session")
def measured_cells(pytestconfig: pytest.Config) -> list[Cell]:
    """What was measured in this session; printed as a table at its end."""
    return pytestconfig.stash.setdefault(MEASURED, [])


def pytest_terminal_summary(config: pytest.Config) -> None:
    """Show the figures also where all is well."""
    if found := config.stash.get(MEASURED, []):
        console = brokers_table.console()
        console.print()
        console.print(table.terminal(found))
