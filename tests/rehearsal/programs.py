"""The command line under test, and other programs of this machine."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
REHEARSAL = [sys.executable, "-m", "rehearsal"]
#: Wide enough for any line; no colours.
ENVIRONMENT = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}


def rehearsal(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m rehearsal` to its end."""
    command = [*REHEARSAL, *map(str, arguments)]
    environment = ENVIRONMENT | variables
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)


def output(*command: str) -> str:
    """What a program prints; it has to succeed."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
