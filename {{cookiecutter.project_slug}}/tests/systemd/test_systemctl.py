"""What systemctl prints is read, and what it refuses becomes a sentence with a cure: against a program of its name."""

import os
from pathlib import Path

import pytest

from workers.systemd import installed
from workers.systemd.installed import available_memory, only_replacement
from workers.systemd.systemctl import Systemctl, SystemctlError, seconds
from workers.topology import load

SHOWN = """\
Id=celery-worker-shop@batch.service
LoadState=loaded
ActiveState=deactivating
SubState=stop-sigterm
Result=success
StatusText=batch: stopping: 2 tasks run, the oldest for 340 of at most 900 s; a=b
TimeoutStopUSec=15min 35s
NRestarts=2
InvocationID=0123

Id=celery-worker-shop@none.service
LoadState=not-found
ActiveState=inactive
SubState=dead
"""


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is found in place of the real one; a test writes what it does."""
    program = tmp_path / "systemctl"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return program


def _does(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_units_are_read(systemctl: Path) -> None:
    """Several at a time; the status may hold an equals sign."""
    _does(systemctl, f"cat <<'END'\n{SHOWN}END")
    batch, none = Systemctl().show("batch", "none")
    assert batch.status.endswith("of at most 900 s; a=b")
    assert (batch.stop_timeout, batch.restarts, batch.is_up, batch.is_installed) == (935, 2, True, True)
    assert (none.is_installed, none.is_up) == (False, False)


@pytest.mark.parametrize(
    ("span", "expected"),
    [("1min 30s", 90), ("15min 35s", 935), ("2h 500ms", 7200.5), ("1w 1d", 691200), ("infinity", float("inf"))],
)
def test_spans_of_time_are_read(span: str, expected: float) -> None:
    """As systemctl writes them."""
    assert seconds(span) == expected


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("Failed to stop x.service: Interactive authentication required.", "run this as root, or have polkit allow it"),
        ("Failed to stop x.service: Access denied", "run this as root, or have polkit allow it"),
        ("System has not been booted with systemd as init system (PID 1).", "run this where systemd runs the workers"),
    ],
)
def test_a_refusal_comes_with_its_cure(systemctl: Path, said: str, cure: str) -> None:
    """Systemctl's own words first."""
    _does(systemctl, f"echo '{said}' >&2; exit 1")
    with pytest.raises(SystemctlError) as refused:
        Systemctl().stop("x.service")
    assert str(refused.value).startswith(f"systemctl stop: {said}; {cure}")


def test_a_host_without_systemd_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SystemctlError, match="this host has no systemctl"):
        Systemctl().show("x.service")


def test_memory_is_what_the_kernel_calls_available(tmp_path: Path) -> None:
    """Free alone would leave out what caches give back."""
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:       24000000 kB\nMemFree:          100000 kB\nMemAvailable:    2097152 kB\n")
    assert available_memory(file) == 2048


def test_the_environment_is_that_of_the_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell on the host has none; another environment's sizes would name other workers."""
    file = tmp_path / "environment"
    monkeypatch.setattr(installed, "ENVIRONMENT_FILE", str(file))
    monkeypatch.delenv("ENVIRONMENT", raising=False)
    assert installed.loaded_here().environment == load().environment
    file.write_text('LOG_LEVEL="INFO"\nENVIRONMENT="staging"\n')
    assert installed.loaded_here().environment == "staging"
    file.unlink()
    file.mkdir()
    with pytest.raises(OSError, match="environment"):
        installed.loaded_here()


def test_what_runs_is_found_by_its_name(systemctl: Path) -> None:
    """One that has failed is listed and does not run."""
    listed = "celery-worker-shop@batch-1.service loaded active running A worker"
    _does(systemctl, f"if [ $3 = list-units ]; then echo '{listed}'; else cat <<'END'\n{SHOWN}END\nfi")
    assert Systemctl().up("batch*") == ["celery-worker-shop@batch.service"]


def test_two_replacements_of_a_group_exclude_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second would stop the first one's spare while an old worker drains."""
    monkeypatch.setattr(installed, "LOCK_FILE", f"{tmp_path}/{{project}}-{{group}}")
    with (
        only_replacement("shop", "batch"),
        only_replacement("shop", "ml"),
        pytest.raises(installed.BusyError, match="workers of batch are being replaced already"),
        only_replacement("shop", "batch"),
    ):
        pass
    with only_replacement("shop", "batch"):
        pass
