"""How long `make demo` takes from a fresh copy of the template to its report."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure
from demo.project import TEMPLATE

NOT_CLONED = shutil.ignore_patterns("build", "__pycache__", ".*_cache")


def measure() -> list[Figure]:
    """With the package cache as it is, then with an empty one; each in a copy of the template of its own."""
    return [
        Figure("make demo, from copy to report", f"{_once({}):.0f} s", "60 s", "warm package cache"),
        Figure("the same, first time ever", f"{_cold():.0f} s", "120 s", "empty package cache"),
    ]


def _cold() -> float:
    with tempfile.TemporaryDirectory() as cache:
        return _once({"UV_CACHE_DIR": cache, "PIP_NO_CACHE_DIR": "1"})


def _once(variables: dict[str, str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "celery-prod")
        shutil.copytree(TEMPLATE, copy, ignore=NOT_CLONED)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        began = time.monotonic()
        subprocess.run(["make", "demo"], cwd=copy, env=environment | variables, check=True, capture_output=True)
        return time.monotonic() - began
