"""Calls the programs of this machine that do the work, with their own words when one fails."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rehearsal.errors import RehearsalError

#: Seconds that any single call may take; ip, nft and nsenter need milliseconds, also on a busy machine.
TIMEOUT: Final = 30.0
#: The last lines of a failed program's output that are shown.
SHOWN_LINES: Final = 15


def call(*argv: str | Path, given: str | None = None, timeout: float = TIMEOUT) -> str:
    """Run `argv` with `given` on its standard input; gives back what it printed.

    Raises RehearsalError with the command and its output where it fails or takes longer than `timeout` seconds.
    """
    command = [str(part) for part in argv]
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise RehearsalError(f"{said(command)}: no end after {timeout:g} s") from None
    except FileNotFoundError:
        raise RehearsalError(f"{command[0]}: no such program on this machine") from None
    if done.returncode:
        raise RehearsalError(f"{said(command)}: exit code {done.returncode}\n{tail(done.stderr or done.stdout)}")
    return done.stdout


def said(command: Sequence[str]) -> str:
    """The command on one line, cut to what fits a message."""
    line = " ".join(command)
    return line if len(line) <= 160 else f"{line[:157]}..."  # noqa: PLR2004 - a line and a half of a terminal


def tail(text: str, lines: int = SHOWN_LINES) -> str:
    """The last `lines` of `text`, indented."""
    return "\n".join(f"  {line}" for line in text.rstrip().splitlines()[-lines:])
