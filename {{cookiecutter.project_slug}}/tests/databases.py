"""Databases for processes of tests: all tables are made once, and each test gets a copy."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from config.env import BASE_DIR
from workers.local.lifetime import die_with_parent

#: Debian keeps the server's programs off the PATH, by version.
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
PASSWORD = "only-for-tests"
#: A process that becomes somebody else's has to be told anew to end with its parent.
AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=QUIT")
#: No test takes the machine's power away, so nothing has to reach the disk.
OPTIONS = ("-F", "-N", "300", "-c", "full_page_writes=off", "-c", "listen_addresses=127.0.0.1")


class NoPostgreSQLError(Exception):
    """There is no server to start."""


@contextmanager
def postgresql_server(port: int) -> Iterator[str]:
    """Run a PostgreSQL on this port until the end of the block; the value is its URL without a database."""
    found = shutil.which("initdb") or (BINARIES[-1] / "initdb" if BINARIES else None)
    if not found:
        raise NoPostgreSQLError("PostgreSQL's server is not installed (on Debian: apt-get install postgresql)")
    with tempfile.TemporaryDirectory(prefix="postgresql-") as name:
        folder, binaries = Path(name), Path(found).parent
        # The server refuses to run as root, and pytest's own folders are root's alone.
        user = AS_POSTGRES if os.geteuid() == 0 else ()
        folder.chmod(0o777)
        (folder / "password").write_text(PASSWORD)
        access = ("-U", "shop", f"--pwfile={folder}/password", "-A", "scram-sha-256", "--no-sync")
        subprocess.run([*user, binaries / "initdb", "-D", folder / "data", *access], check=True, capture_output=True)
        command = [*user, binaries / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder, *OPTIONS]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent)  # noqa: PLW1509 - no threads run yet
        url = f"postgres://shop:{PASSWORD}@127.0.0.1:{port}"
        try:
            _wait_until_it_answers(url, folder / "log")
            yield url
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait()


def _wait_until_it_answers(url: str, log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            sql(f"{url}/postgres", "SELECT 1")
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"PostgreSQL did not start:\n{log.read_text(encoding='utf-8')}")


def create(server: str, name: str, template: str = "template1") -> str:
    """Make a database on a PostgreSQL, as a copy of the template; its URL."""
    sql(f"{server}/postgres", f"CREATE DATABASE {name} TEMPLATE {template}")
    return f"{server}/{name}"


def sql(url: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Ask the database at this URL, beside all others."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20, isolation_level=None)) as file:
            return file.execute(statement.replace("%s", "?"), parameters).fetchall()
    with psycopg.connect(url.replace("postgres://", "postgresql://"), autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


def migrate(env: Mapping[str, str]) -> None:
    """Make all tables in the database that this environment names."""
    command = [sys.executable, "manage.py", "migrate", "-v", "0"]
    done = subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
