"""Grounds for schedulers: SQLite as on a developer's machine, PostgreSQL as in production."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from pytest_django import Settings

from tests.beat.processes import Ground, ground
from tests.conftest import free_port

#: Debian keeps the server's programs off the PATH, by version.
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
PASSWORD = "only-for-tests"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Start a PostgreSQL for this run; the value is its URL."""
    found = shutil.which("initdb") or (BINARIES[-1] / "initdb" if BINARIES else None)
    if not found:
        message = "PostgreSQL's server is not installed (on Debian: apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        folder, binaries, port = Path(name), Path(found).parent, free_port()
        # The server refuses to run as root, and pytest's own folders are root's alone.
        user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups") if os.geteuid() == 0 else ()
        folder.chmod(0o777)
        (folder / "password").write_text(PASSWORD)
        access = ("-U", "shop", f"--pwfile={folder}/password", "-A", "scram-sha-256", "--no-sync")
        subprocess.run([*user, binaries / "initdb", "-D", folder / "data", *access], check=True, capture_output=True)
        options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        control = [*user, binaries / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "data/log"]
        subprocess.run([*control, "-o", options, "start"], check=True, capture_output=True)
        yield f"postgres://shop:{PASSWORD}@127.0.0.1:{port}/postgres"
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a figure although the test passes."""

    def past_capture(figure: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{figure}\n")

    return past_capture


@pytest.fixture
def on_sqlite(redis_server: str, tmp_path: Path) -> Iterator[Ground]:
    """An empty ground as on a developer's machine."""
    with ground(tmp_path, redis_server, f"sqlite:///{tmp_path}/db.sqlite3") as made:
        yield made


@pytest.fixture
def on_postgresql(postgresql: str, redis_server: str, tmp_path: Path) -> Iterator[Ground]:
    """An empty ground as in production."""
    server, _, _ = postgresql.rpartition("/")
    with ground(tmp_path, redis_server, f"{server}/{_create_database(postgresql)}") as made:
        yield made


def _create_database(server: str) -> str:
    name = f"beat_{free_port()}"
    with psycopg.connect(server.replace("postgres://", "postgresql://"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return name


@pytest.fixture(autouse=True)
def _in_utc(settings: Settings) -> None:
    """Cron lines are read in the project's time zone, which is its owner's; the tests' is UTC."""
    settings.TIME_ZONE = "UTC"
