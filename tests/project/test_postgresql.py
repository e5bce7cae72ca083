"""The project on PostgreSQL by DATABASE_URL: connections follow the pool that runs the tasks."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.project.conftest import copied
from tests.project.probe import GROUPS
from tests.project.running import Project, free_ports

#: Debian keeps the server's programs off the PATH, by version.
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").exists() else []

#: Ends every client's connection but the asker's.
CUT_ALL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE pid != pg_backend_pid() AND backend_type = 'client backend'"
)
#: The server refuses to run as root.
AS_POSTGRES: tuple[str | Path, ...] = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")

Ask = Callable[[str], Any]


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """A PostgreSQL server of its own, on loopback."""
    found = shutil.which("initdb") or (BINARIES and BINARIES[-1] / "initdb")
    if not found:
        pytest.skip("PostgreSQL's server is not installed (on Debian: apt-get install postgresql)")
    # Not pytest's own folder: every run of pytest closes that to other users, and so to the server.
    binaries, folder = Path(found).parent, Path(tempfile.mkdtemp(prefix="postgresql-"))
    folder.chmod(0o777)
    data, password = folder / "data", folder / "password"
    password.write_text("only-for-tests")
    user = AS_POSTGRES if os.geteuid() == 0 else ()
    [port] = free_ports(1)
    access: tuple[str | Path, ...] = ("-U", "shop", f"--pwfile={password}", "-A", "scram-sha-256")
    subprocess.run([*user, binaries / "initdb", "-D", data, *access, "--no-sync"], check=True, capture_output=True)
    options = ["-c", f"port={port}", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    server: list[str | Path] = [*user, binaries / "pg_ctl", "-D", data, "-w", "-l", data / "log"]
    subprocess.run([*server, "-o", " ".join(options), "start"], check=True, capture_output=True)
    yield f"postgres://shop:only-for-tests@127.0.0.1:{port}/postgres"
    subprocess.run([*server, "-m", "immediate", "stop"], check=True, capture_output=True)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def ask(probed: Project, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Runs code beside a project that is up on PostgreSQL."""
    project = copied(probed, tmp_path_factory.mktemp("postgres") / "project")
    with (project.root / ".env").open("a") as file:
        file.write(f"DATABASE_URL={database_url}\n")
    with project.up(len(GROUPS)), project.shell() as shell:
        yield lambda code: shell(f"from probe.tasks import {', '.join(GROUPS)}\n{code}")


def test_a_prefork_child_keeps_its_connection(ask: Ask) -> None:
    """Celery closes it after each task by default, whatever CONN_MAX_AGE says."""
    code = "answer = [batch.database_connection.delay().get(timeout=60) for _ in range(5)]"
    assert len(set(ask(code))) == 1


@pytest.mark.parametrize("group", ["io", "green"])
def test_tasks_of_one_process_share_a_pool(ask: Ask, group: str) -> None:
    """At most as many connections as slots, used again; and greenlets go on while one waits for the database."""
    code = (
        "import time; began = time.monotonic()\n"
        f"results = [{group}.database_connection.delay() for _ in range(60)]\n"
        "backends = {result.get(timeout=60) for result in results}\n"
        "answer = [len(backends), time.monotonic() - began]"
    )
    backends, seconds = ask(code)
    assert 1 < backends <= 20
    assert seconds < 60 * 0.2 * 0.8


@pytest.mark.parametrize("group", ["batch", "io", "green"])
def test_a_task_after_a_restart_of_the_database_succeeds(ask: Ask, group: str) -> None:
    """Every connection is cut on the server's side; the kept ones are tested before they are used again."""
    code = (
        f"from django.db import connection; cut = {CUT_ALL!r}\n"
        f"{group}.database_connection.delay().get(timeout=60)\n"
        "connection.cursor().execute(cut)\n"
        f"answer = [{group}.database_connection.delay().get(timeout=60) for _ in range(3)]"
    )
    assert all(ask(code))
