"""Fixtures for all tests."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from workers.local.redis_server import NoRedisServerError, embedded_redis, find_server


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


@pytest.fixture
def sentinel(redis_server: str, tmp_path: Path) -> Iterator[int]:
    """Watch over the Redis of these tests with a real Sentinel; the value is its port."""
    port, primary = free_port(), urlsplit(redis_server).port
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text(
        f"port {port}\nbind 127.0.0.1\nrequirepass only-for-tests\ndir {tmp_path}\n"
        f"sentinel monitor main 127.0.0.1 {primary} 1\nsentinel auth-pass main only-for-tests\n"
    )
    with (tmp_path / "sentinel.log").open("wb") as log:
        process = subprocess.Popen([find_server(), configuration, "--sentinel"], stdout=log)
    client = redis.Redis(port=port, password="only-for-tests", socket_timeout=1)
    until(lambda: _answers(client), "the Sentinel's start", 10)
    client.close()
    yield port
    process.terminate()
    process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
