"""Fixtures for all tests."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, NoReturn
from urllib.parse import urlsplit

import hypothesis
import pytest
import redis
from django.db import connections

from config.env import BASE_DIR
from tests.databases import NoPostgreSQLError, create, migrate, postgresql_server
from workers.local.lifetime import die_with_parent
from workers.local.redis_server import NoRedisServerError, embedded_redis, find_server

# Python's readline sets them in processes of pytest-xdist; a table's width would be theirs, whatever a test says.
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)


def free_port() -> int:
    """Find a port of this machine that nobody listens on, nor is given for a connection before somebody does."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def skip(missing: object) -> NoReturn:
    """Skip a test for what is missing here; CI has to have everything."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must not skip: {missing}")
    pytest.skip(str(missing))


def environment_on(server: str, first: int = 0, /, **variables: str) -> dict[str, str]:
    """The environment of a process of this project on that Redis, one database a use, from the `first` on."""
    uses = enumerate(("BROKER", "RESULT", "CACHE", "LOCK"), first)
    urls = {f"{use}_URL": f"{server}/{number}" for number, use in uses}
    own = {"ENVIRONMENT": "test", "DJANGO_SETTINGS_MODULE": "config.settings.test", "LOG_FORMAT": "json"}
    # To compile all that a process imports takes two seconds of a core: once is enough, whatever the caller's shell says.
    own["PYTHONDONTWRITEBYTECODE"] = ""
    return {**os.environ, **own, **urls, **variables}


def start(
    command: Sequence[str | Path], env: Mapping[str, str], *, stdout: IO[bytes] | int, stderr: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    """Start a process that does not outlive these tests, however they end."""
    return subprocess.Popen(command, cwd=BASE_DIR, env=env, stdout=stdout, stderr=stderr, preexec_fn=die_with_parent)  # noqa: PLW1509 - no thread of these tests holds a lock for long


def steady() -> float:
    """Seconds by a clock that stands still while this thread waits for a core: a busy machine is not its fault."""
    try:
        waited = int(Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[1])
    except OSError:  # a kernel that does not count it
        waited = 0
    return time.monotonic() - waited / 1e9


class NotInTimeError(AssertionError):
    """What a test waited for did not come, or took too long."""


def until(condition: Callable[[], object], what: str, seconds: float = 90) -> None:
    """Wait for a condition; the test fails when it does not come true. The longer it waits, the less often it looks."""
    deadline, pause = time.monotonic() + seconds, 0.02
    while not condition():
        if time.monotonic() > deadline:
            raise NotInTimeError(f"{what} did not happen within {seconds} s")
        time.sleep(pause)
        pause = min(pause * 1.25, 0.25)


# Of an example: it would measure how busy the machine is.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a real Redis for this run; the value is its URL without a database: append /0."""
    url = f"redis://:only-for-tests@127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        try:
            stack.enter_context(embedded_redis(url, tmp_path_factory.mktemp("redis")))
        except NoRedisServerError as missing:
            skip(missing)
        yield url


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None,  # noqa: ARG001 - pytest-django's own does nothing else
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Keep SQLite in a file, as everywhere else: in memory a thread that finds a table locked fails, and does not wait."""
    settings = connections["default"].settings_dict
    if settings["ENGINE"].endswith("sqlite3"):
        settings["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "db.sqlite3")


@pytest.fixture(scope="session")
def _migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("migrated") / "db.sqlite3"
    migrate(environment_on("redis://127.0.0.1:1", DATABASE_URL=f"sqlite:///{file}"))
    return file


@pytest.fixture
def sqlite_database(_migrated_file: Path, tmp_path: Path) -> str:
    """The URL of a file with all tables, and nothing in them."""
    return f"sqlite:///{shutil.copy(_migrated_file, tmp_path / 'db.sqlite3')}"


@pytest.fixture(scope="session")
def _migrated_server() -> Iterator[str]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgresql_server(free_port()))
        except NoPostgreSQLError as missing:
            skip(missing)
        migrate(environment_on("redis://127.0.0.1:1", DATABASE_URL=create(server, "migrated")))
        yield server


@pytest.fixture
def postgresql_database(_migrated_server: str) -> str:
    """The URL of a database of a real PostgreSQL with all tables, and nothing in them."""
    return create(_migrated_server, f"copy_{secrets.token_hex(8)}", "migrated")


@pytest.fixture
def on_sqlite(ground_on: Callable[[str], Any], sqlite_database: str) -> Any:
    """An empty ground for processes as on a developer's machine; what that is, `ground_on` of each folder says."""
    return ground_on(sqlite_database)


@pytest.fixture
def on_postgresql(ground_on: Callable[[str], Any], postgresql_database: str) -> Any:
    """An empty ground for processes as in production."""
    return ground_on(postgresql_database)


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
        process = start([find_server(), configuration, "--sentinel"], os.environ, stdout=log, stderr=log)
    client = redis.Redis(port=port, password="only-for-tests", socket_timeout=1)
    until(lambda: _answers(client), "the Sentinel's start")
    client.close()
    yield port
    process.terminate()
    process.wait()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
