"""Each cluster of brokers is brought up once a session; all tests of this folder share it."""

from collections.abc import Iterator

import pytest

from rehearsal.requirements import what_is_missing
from tests.brokers import table
from tests.brokers.cluster import Broker, Cluster
from tests.brokers.faults import BOUND
from tests.brokers.observers import project as observers_project
from tests.brokers.rows import Row
from tests.brokers.stalls import open_cluster
from tests.project.running import Project

MEASURED = pytest.StashKey[list[Row]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Two runs on one machine need names of their own."""
    parser.addoption(
        "--fleets", default="test", metavar="PREFIX", help="how the brokers' fleets are called: PREFIX-redis"
    )


@pytest.fixture(scope="session")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A generated project whose groups `priority` and `default` run the observed task."""
    return observers_project.make(tmp_path_factory.mktemp("observed") / "project")


@pytest.fixture(scope="session")
def rabbitmq(observed: Project, pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """Three RabbitMQ nodes with the queues of `observed`."""
    yield from _brought_up("rabbitmq", observed, pytestconfig)


@pytest.fixture(scope="session")
def redis(observed: Project, pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """A primary, two replicas and three Sentinels."""
    yield from _brought_up("redis", observed, pytestconfig)


def _brought_up(broker: Broker, project: Project, config: pytest.Config) -> Iterator[Cluster]:
    if missing := what_is_missing():
        pytest.skip("; ".join(missing))
    cluster = open_cluster(broker, f"{config.getoption('fleets')}-{broker}")
    cluster.down()  # what a run that was killed may have left
    try:
        cluster.up()
        observers_project.declare(project, cluster)
        yield cluster
    finally:
        cluster.down()


@pytest.fixture(scope="session")
def measured_rows(pytestconfig: pytest.Config) -> list[Row]:
    """What was measured in this session; printed as a table at its end."""
    return pytestconfig.stash.setdefault(MEASURED, [])


def pytest_terminal_summary(config: pytest.Config) -> None:
    """Show the figures also where all is well: 4.9 s under a bound of 5 s is worth knowing."""
    if found := config.stash.get(MEASURED, []):
        console = table.console()
        console.print()
        console.print(table.terminal(found, BOUND))
