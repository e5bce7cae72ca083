"""Becoming a process that stays."""

import os
import sys
from pathlib import Path
from typing import NoReturn


def become_celery(*arguments: str) -> NoReturn:
    """Run `celery` with these arguments in place of this process.

    By this release's own path: a child that is spawned later must not find another one behind a link that has moved.
    """
    interpreter = str(Path(sys.prefix).resolve() / "bin" / Path(sys.executable).name)
    os.execv(interpreter, [interpreter, "-m", "celery", *arguments])  # noqa: S606 - our own interpreter
