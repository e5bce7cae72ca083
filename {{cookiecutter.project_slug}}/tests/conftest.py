"""Fixtures for all tests."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from workers.local.redis_server import NoRedisServerError, embedded_redis


def free_port() -> int:
    """Find a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait for a condition; the test fails when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a real Redis for this run; the value is its URL without a database: append /0."""
    url = f"redis://:only-for-tests@127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        try:
            stack.enter_context(embedded_redis(url, tmp_path_factory.mktemp("redis")))
        except NoRedisServerError as missing:
            if os.environ.get("CI"):
                pytest.fail(f"CI must not skip: {missing}")
            pytest.skip(str(missing))
        yield url
