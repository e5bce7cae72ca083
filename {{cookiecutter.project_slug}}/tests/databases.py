"""Databases for processes of tests: all tables are made once, and each test gets a copy."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from config.env import BASE_DIR

#: Debian keeps the server's programs off the PATH, by version.
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
PASSWORD = "only-for-tests"
#: No test takes the machine's power away, so nothing has to reach the disk.
OPTIONS = "-c fsync=off -c full_page_writes=off -c listen_addresses=127.0.0.1"


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
        user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups") if os.geteuid() == 0 else ()
        folder.chmod(0o777)
        (folder / "password").write_text(PASSWORD)
        access = ("-U", "shop", f"--pwfile={folder}/password", "-A", "scram-sha-256", "--no-sync")
        subprocess.run([*user, binaries / "initdb", "-D", folder / "data", *access], check=True, capture_output=True)
        control = [*user, binaries / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "data/log"]
        options = f"{OPTIONS} -c port={port} -c unix_socket_directories={folder}"
        subprocess.run([*control, "-o", options, "start"], check=True, capture_output=True)
        try:
            yield f"postgres://shop:{PASSWORD}@127.0.0.1:{port}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True)


def create(server: str, name: str, template: str = "template1") -> str:
    """Make a database on a PostgreSQL, as a copy of the template; its URL."""
    url = f"{server.replace('postgres://', 'postgresql://')}/postgres"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return f"{server}/{name}"


def migrate(env: Mapping[str, str]) -> None:
    """Make all tables in the database that this environment names."""
    command = [sys.executable, "manage.py", "migrate", "-v", "0"]
    done = subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
