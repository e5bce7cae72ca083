"""`make install`, when it did not come to its end the first time."""

import subprocess

import pytest

from demo.processes import base_python
from tests.project.running import Project


def test_a_venv_without_its_installer_is_finished(scratch: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted install leaves a venv with a Python and no uv: the next one goes on there."""
    subprocess.run([base_python(), "-m", "venv", "--without-pip", scratch.root / ".venv"], check=True)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # no uv of the user's
    done = scratch.make(".venv/.made", f"PYTHON={base_python()}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (scratch.root / ".venv/bin/uv").exists()
