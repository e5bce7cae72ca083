"""Becoming a process that stays."""

import os
import sys
from pathlib import Path
from typing import NoReturn


def interpreter() -> str:
    """This release's Python, by its own path: a child that is spawned later finds no other one behind a moved link."""
    return str(Path(sys.prefix).resolve() / "bin" / Path(sys.executable).name)


def become_celery(*arguments: str) -> NoReturn:
    """Run `celery` with these arguments in place of this process."""
    os.execv(interpreter(), [interpreter(), "-m", "celery", *arguments])  # noqa: S606 - our own interpreter
