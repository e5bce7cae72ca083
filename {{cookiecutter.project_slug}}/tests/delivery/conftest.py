"""Grounds for what is delivered: the application of this project on a real Redis."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from tests.beat.conftest import postgresql as postgresql  # noqa: PLC0414 - a fixture for these tests, too
from tests.conftest import free_port
from tests.delivery.away import backend as backend  # noqa: PLC0414 - fixtures of the tests of results
from tests.delivery.away import results as results  # noqa: PLC0414
from tests.delivery.ground import Ground, ground
from tests.delivery.letters import connect_to


@pytest.fixture
def broker(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator["Redis"]:
    """Put the project's broker onto an empty Redis; the value is a client of it."""
    url = f"{redis_server}/7"
    connect_to(url, monkeypatch)
    with Redis.from_url(url) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def on_sqlite(redis_server: str, tmp_path: Path) -> Iterator[Ground]:
    """An empty ground for workers as on a developer's machine."""
    with ground(tmp_path, redis_server, f"sqlite:///{tmp_path}/db.sqlite3") as made:
        yield made


@pytest.fixture
def on_postgresql(postgresql: str, redis_server: str, tmp_path: Path) -> Iterator[Ground]:
    """An empty ground for workers as in production."""
    name = f"delivery_{free_port()}"
    with psycopg.connect(postgresql.replace("postgres://", "postgresql://"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    with ground(tmp_path, redis_server, f"{postgresql.rpartition('/')[0]}/{name}") as made:
        yield made


@pytest.fixture
def on(request: pytest.FixtureRequest) -> Ground:
    """The ground that the test's parameter names."""
    made: Ground = request.getfixturevalue(request.param)
    return made
