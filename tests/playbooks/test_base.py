"""Whoever narrows SSH does not lock himself out."""

from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.local import FOLDER, told

EVERYBODY = ["0.0.0.0/0", "::/0"]
TASKS = str(FOLDER / "roles/base/tasks/preflight.yml")


@pytest.mark.parametrize(
    ("reached_from", "networks"),
    [
        ("192.0.2.1", EVERYBODY),
        ("192.0.2.1", ["10.0.0.0/8", "192.0.2.0/24"]),
        ("::ffff:192.0.2.1", ["192.0.2.1/32"]),
        ("", ["10.0.0.0/8"]),  # not by SSH
    ],
)
def test_who_stays_outside_of_no_host_may_narrow_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reached_from: str, networks: list[str]
) -> None:
    """Also where IPv4 is written as IPv6, and where nobody comes by SSH."""
    assert "failed" not in preflight(tmp_path, monkeypatch, reached_from, networks)


def test_who_would_lock_himself_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From where he comes, and what is open."""
    said = preflight(tmp_path, monkeypatch, "192.0.2.1", ["10.0.0.0/8", "::/0"])
    assert said["failed"]
    assert said["msg"].strip() == (
        "localhost is reached from 192.0.2.1, which is not within base_ssh_from (10.0.0.0/8, ::/0): "
        "nobody would get in from there any more. Add its network"
    )


def preflight(folder: Path, monkeypatch: pytest.MonkeyPatch, reached_from: str, networks: list[str]) -> dict[str, Any]:
    """What the last of the role's tasks says."""
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    if reached_from:
        monkeypatch.setenv("SSH_CONNECTION", f"{reached_from} 50000 10.0.0.1 22")
    return told(
        folder, "ansible.builtin.import_tasks", {"file": TASKS}, "--extra-vars", f'{{"base_ssh_from": {networks}}}'
    )
