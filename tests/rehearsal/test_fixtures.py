"""The pytest plugin: whoever's test fails on real hosts sees their journals, and never has to clean up."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rehearsal import Fleet
from rehearsal.cgroup import fleet_cgroup
from tests.rehearsal.hosts import inventory_of
from tests.rehearsal.leavings import leavings
from tests.rehearsal.programs import ENVIRONMENT
from tests.waiting import until

TESTS = """\
import sys
from pathlib import Path
from rehearsal import Inventory

def test_that_fails(fleets):
    with fleets("rt-plugin", Inventory.read(Path("inventory.yml"))) as fleet:
        assert fleet["a"].run("ls", "/srv").stdout == ""
        fleet["a"].run("logger", "--tag", "witness", "what happened")
        fleet["a"].run("journalctl", "--sync")
        fleet["b"].power_off()
        assert fleet["a"].run("false", check=False).returncode == 0

def test_that_hangs(fleets):
    with fleets("rt-plugin", Inventory.read(Path("inventory.yml"))) as fleet:
        print("hanging", file=sys.__stdout__, flush=True)
        fleet["a"].run("sleep", "infinity", timeout=100)
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """A run of pytest in a folder with the tests above."""
    inventory_of(tmp_path, a="10.0.0.1", b="10.0.0.2")
    (tmp_path / "test_it.py").write_text(TESTS, encoding="utf-8")
    options = ["-p", "rehearsal.fixtures", "-p", "no:cacheprovider", "-rs", "-s", "--rootdir", str(tmp_path)]
    return [sys.executable, "-m", "pytest", *options, "test_it.py"]


def test_a_failed_test_shows_its_hosts_journals(command: list[str], tmp_path: Path) -> None:
    """Of every host, those that are off included; and the fleet is gone."""
    done = run(command, tmp_path, "test_that_fails")
    assert done.returncode == 1
    assert "journal of rt-plugin/a" in done.stdout
    assert "witness" in done.stdout
    assert "what happened" in done.stdout
    [_, of_b] = done.stdout.split("- journal of rt-plugin/b -")
    assert "systemd[1]: Startup finished" in of_b
    assert leavings("rt-plugin") == []


def test_a_run_that_was_killed_does_not_disturb_the_next(command: list[str], tmp_path: Path) -> None:
    """SIGKILL to pytest itself leaves hosts behind; the next test that wants that name begins with new ones."""
    with subprocess.Popen(
        [*command, "-k", "test_that_hangs"], cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert any("hanging" in line for line in process.stdout)
        os.kill(process.pid, signal.SIGKILL)
    assert fleet_cgroup("rt-plugin").exists()
    Fleet.remembered("rt-plugin")["a"].write("/srv/of_the_first_run", "")
    done = run(command, tmp_path, "test_that_fails")
    assert "assert 1 == 0" in done.stdout, done.stdout
    until(lambda: leavings("rt-plugin") == [], "nothing to be left")


@pytest.mark.parametrize(("variables", "word"), [({"CI": ""}, "1 skipped"), ({"CI": "1"}, "1 failed")])
def test_a_machine_without_the_means(command: list[str], tmp_path: Path, variables: dict[str, str], word: str) -> None:
    """A laptop skips with the reason, CI does not let itself be told so."""
    (tmp_path / "bin").mkdir()
    done = run(command, tmp_path, "test_that_fails", PATH=str(tmp_path / "bin"), **variables)
    assert word in done.stdout
    assert "missing: systemd-nspawn, " in done.stdout


def run(command: list[str], folder: Path, test: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """One of the tests."""
    return subprocess.run(
        [*command, "-k", test],
        cwd=folder,
        env=ENVIRONMENT | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
