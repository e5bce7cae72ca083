"""What a server of PostgreSQL holds decides whether it may be made a standby: data is never overwritten."""

import subprocess
from pathlib import Path

import pytest

from tests.template.rendering import ROOT

STATE = ROOT / "ansible/roles/postgresql/files/state.sh"


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], "nothing"),
        (["base/1/", "base/5/", "PG_VERSION"], "fresh"),
        (["base/1/", "base/5/", "base/16384/"], "data"),
        (["base/1/", "base/123456/"], "data"),
        (["base/1/", "base/16384/", "standby.signal"], "standby"),
    ],
    ids=["not installed", "as it was made", "a first database", "many", "it follows"],
)
def test_what_it_is(tmp_path: Path, there: list[str], expected: str) -> None:
    """Databases that somebody made have numbers from 16384 on; initdb's own are below."""
    for name in there:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        else:
            path.touch()
    done = subprocess.run(["sh", str(STATE), str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"{expected}\n"
