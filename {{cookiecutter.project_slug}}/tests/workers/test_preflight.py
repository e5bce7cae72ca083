"""A local run that cannot start says why, and a stale file stops nobody."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from workers.local.preflight import CannotStartError, check_disk, check_ports, only_run


def test_a_port_in_use_is_named_with_its_variable() -> None:
    """The line says which port, who sets it and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            CannotStartError, match=rf"^port {port} \(WEB_PORT in \.env\) is in use: stop what listens there"
        ):
            check_ports({"WEB_PORT": port})


def test_a_free_port_is_fine() -> None:
    """The twin of the refusal above."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    check_ports({"WEB_PORT": port})


def test_a_full_disk_is_said_before_anything_starts(tmp_path: Path) -> None:
    """Redis would stop taking tasks in the middle of the run."""
    usage = SimpleNamespace(free=2**20)
    with (
        patch("shutil.disk_usage", return_value=usage),
        pytest.raises(CannotStartError, match="has 1 MiB free and a run needs 200"),
    ):
        check_disk(tmp_path)


def test_a_second_run_is_refused_and_a_killed_ones_lock_is_not_stale(tmp_path: Path) -> None:
    """The kernel gives the lock up with its process, however that ended."""
    lock = tmp_path / "up.lock"
    holder = "import sys,time;from pathlib import Path;from workers.local.preflight import only_run\nwith only_run(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", holder, str(lock)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(CannotStartError, match=rf"runs already \(pid {other.pid}\)"), only_run(lock):
        pass
    other.kill()
    other.communicate()
    with only_run(lock):
        assert lock.read_text() == str(os.getpid())
