"""How long a project takes to render."""

import subprocess
import sys
import tempfile
import time

from benchmarks.figures import Figure, spread
from demo.project import TEMPLATE

ROUNDS = 5


def measure() -> list[Figure]:
    """Whole `cookiecutter --no-input` runs, git and secrets included."""
    seconds = [_once() for _ in range(ROUNDS)]
    return [Figure("render a project", spread(seconds, "s"), "1 s", f"median of {ROUNDS}")]


def _once() -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cookiecutter", "--no-input", "-o", folder, str(TEMPLATE)]
        began = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        return time.monotonic() - began
