"""The line to systemd: on a real socket, and where there is none."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conftest import until
from tests.supervision.listener import Listener
from workers.supervision.notify import LONGEST_STATUS, Systemd, status


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_what_is_told_is_heard(kind: str, tmp_path: Path) -> None:
    """Several assignments are one message; systemd 257 has a path, older ones and containers an abstract name."""
    address = f"@{uuid4()}" if kind == "abstract" else str(tmp_path / "notify")
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid()), "A": "b"}
    with Listener(address) as systemd:
        told = Systemd(environment)
        told.tell("READY=1", status("as it\nshould be"))
        until(lambda: systemd.heard, "the message")
    assert systemd.heard[0].lines == ("READY=1", "STATUS=as it should be")
    assert told.watchdog == 60
    assert environment == {"A": "b"}, "nobody else talks on it"


def test_nobody_listens() -> None:
    """On a laptop; nothing happens."""
    told = Systemd({})
    told.tell("READY=1")
    assert (told.listens, told.watchdog) == (False, None)


def test_somebody_listened_once(tmp_path: Path) -> None:
    """A socket that has gone is no reason to end."""
    Systemd({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1")


def test_a_watchdog_of_another_process_is_none_of_ours() -> None:
    """It was left in the environment by who started us."""
    assert Systemd({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}).watchdog is None


def test_a_long_status_is_cut() -> None:
    """Or systemd would drop the whole message."""
    assert len(status("x" * 10_000)) == len("STATUS=") + LONGEST_STATUS


FORK = """
import os
from workers.supervision.notify import systemd
systemd().tell("READY=1")
if os.fork() == 0:
    systemd().tell("WATCHDOG=1")
    os._exit(0)
os.wait()
systemd().tell("STOPPING=1")
"""


def test_a_forked_child_is_silent(tmp_path: Path) -> None:
    """It has a copy of what its parent knows."""
    with Listener(str(tmp_path / "notify")) as systemd:
        subprocess.run([sys.executable, "-c", FORK], env={**os.environ, "NOTIFY_SOCKET": systemd.address}, check=True)
        until(lambda: systemd.times("STOPPING=1"), "the last word")
    assert [said.lines[0] for said in systemd.heard] == ["READY=1", "STOPPING=1"]
