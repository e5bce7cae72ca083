"""Grounds for what is delivered: the application of this project on a real Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

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
def on_sqlite(redis_server: str, sqlite_database: str, tmp_path: Path) -> Iterator[Ground]:
    """An empty ground for workers as on a developer's machine."""
    with ground(tmp_path, redis_server, sqlite_database) as made:
        yield made


@pytest.fixture
def on_postgresql(redis_server: str, postgresql_database: str, tmp_path: Path) -> Iterator[Ground]:
    """An empty ground for workers as in production."""
    with ground(tmp_path, redis_server, postgresql_database) as made:
        yield made


@pytest.fixture
def on(request: pytest.FixtureRequest) -> Ground:
    """The ground that the test's parameter names."""
    made: Ground = request.getfixturevalue(request.param)
    return made
