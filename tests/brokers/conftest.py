"""Each cluster of brokers is brought up once a session; all tests of this folder share it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from rehearsal.requirements import what_is_missing
from tests.brokers import table
from tests.brokers.clients import Clients
from tests.brokers.faults import BOUND
from tests.brokers.observers import project as observers_project
from tests.brokers.rabbitmq import RabbitMQ
from tests.brokers.redis import Redis
from tests.brokers.rows import Row
from tests.project.running import Project

AnyCluster = TypeVar("AnyCluster", RabbitMQ, Redis)

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
def rabbitmq(observed: Project, pytestconfig: pytest.Config) -> Iterator[RabbitMQ]:
    """Three RabbitMQ nodes with the queues of `observed`."""
    yield from _brought_up(RabbitMQ, observed, pytestconfig)


@pytest.fixture(scope="session")
def redis(observed: Project, pytestconfig: pytest.Config) -> Iterator[Redis]:
    """A primary, two replicas and three Sentinels."""
    yield from _brought_up(Redis, observed, pytestconfig)


@pytest.fixture(scope="module")
def sound_rabbitmq(rabbitmq: RabbitMQ) -> Iterator[RabbitMQ]:
    """The cluster of this session, healthy and empty; what the file's tests leave in it is dropped."""
    rabbitmq.wait_healthy()
    rabbitmq.clear()
    yield rabbitmq
    rabbitmq.clear()


@pytest.fixture
def sound_redis(redis: Redis) -> Redis:
    """The cluster of this session, healthy and empty."""
    redis.wait_healthy()
    redis.clear()
    return redis


@pytest.fixture
def rabbitmq_clients(sound_rabbitmq: RabbitMQ, observed: Project, tmp_path: Path) -> Clients:
    """Processes of the project that work on it."""
    return Clients(sound_rabbitmq, observed, tmp_path)


@pytest.fixture
def redis_clients(sound_redis: Redis, observed: Project, tmp_path: Path) -> Clients:
    """Processes of the project that work on it."""
    return Clients(sound_redis, observed, tmp_path)


def _brought_up(kind: type[AnyCluster], project: Project, config: pytest.Config) -> Iterator[AnyCluster]:
    if missing := what_is_missing():
        pytest.skip("; ".join(missing))
    cluster = kind(f"{config.getoption('fleets')}-{kind.broker}")
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
