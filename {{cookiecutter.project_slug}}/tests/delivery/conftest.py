"""Grounds for what is delivered: the application of this project on a real Redis."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
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
def ground_on(redis_server: str, tmp_path: Path) -> Iterator[Callable[[str], Ground]]:
    """Make an empty ground on a database."""
    with ExitStack() as stack:
        yield lambda database: stack.enter_context(ground(tmp_path, redis_server, database))


@pytest.fixture
def on(request: pytest.FixtureRequest) -> Ground:
    """The ground that the test's parameter names."""
    made: Ground = request.getfixturevalue(request.param)
    return made
