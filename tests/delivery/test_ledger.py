"""What is written down is read back, whoever dies in between."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.delivery import ledger
from tests.template.rendering import ROOT

#: Writes a line and dies without a goodbye.
_PROGRAM: Final = """\
import os, signal
from tests.delivery import ledger
ledger.write("began", "note.priority", "one", number=3)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_line_survives_the_death_of_its_process(tmp_path: Path) -> None:
    """It is with the kernel before `write` returns."""
    file = tmp_path / "new/folder/ledger"
    variables = {**os.environ, ledger.VARIABLE: str(file)}
    done = subprocess.run([sys.executable, "-c", _PROGRAM], env=variables, cwd=ROOT, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    [entry] = ledger.Reader(file).new()
    assert (entry.what, entry.kind, entry.id, entry.number) == ("began", "note.priority", "one", 3)


def test_a_reader_gives_each_whole_line_once(tmp_path: Path) -> None:
    """One that is just being written is left for the next call; what was there before is left out if asked."""
    file = tmp_path / "ledger"
    line = '{"at": 1.0, "what": "done", "kind": "note.io", "id": "%s", "by": "w1"}\n'
    reader = ledger.Reader(file)
    assert list(reader.new()) == []
    file.write_text(line % "old", encoding="utf-8")
    reader.skip()
    file.write_text(line % "old" + line % "new" + (line % "half")[:20], encoding="utf-8")
    assert [entry.id for entry in reader.new()] == ["new"]
    file.write_text(line % "old" + line % "new" + line % "half", encoding="utf-8")
    assert [entry.id for entry in reader.new()] == ["half"]
