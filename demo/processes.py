"""Runs the project's commands so that none of them, nor anything they started, outlives the demo."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO

import psutil

from demo.steps import StepFailedError

# Every process started here inherits it, and so does whatever that one starts, in whatever process group.
MARK = ("CELERY_PROD_DEMO", secrets.token_hex(8))
# Longer than `workers up` allows its own processes to end their work.
GRACE = 60

Command = Sequence[str | Path]


def base_python() -> Path:
    """The Python that this one's virtual environment was made with: projects make their own with it."""
    return Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """A closed terminal or a `kill` ends the demo as Ctrl-C does."""
    raise KeyboardInterrupt


def interrupt_on_signals() -> None:
    """Let every polite way to end the demo take the path that cleans up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


@contextmanager
def started(
    command: Command, cwd: Path, environment: Mapping[str, str], output: IO[str] | int | None
) -> Iterator[subprocess.Popen[str]]:
    """Start a command out of reach of the terminal's Ctrl-C, which the demo answers; end it on leaving."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**environment, MARK[0]: MARK[1]},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        start_new_session=True,
        text=True,
        errors="replace",
    )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Ask it to finish and wait; after a second Ctrl-C, or no answer, kill it: its own are for `kill_leftovers`."""
    try:
        process.terminate()
        process.wait(GRACE)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        process.kill()
        process.wait()


def kill_leftovers() -> list[str]:
    """Kill what the demo started and what has not ended by itself; says what it was."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    killed: list[str] = []
    # Again until none is found: one that is being killed may be starting another.
    while left := [process for process in psutil.process_iter() if is_ours(process)]:
        for process in left:
            with suppress(psutil.NoSuchProcess):
                killed.append(f"{process.name()} ({process.pid})")
                process.kill()
        psutil.wait_procs(left, timeout=10)
    return killed


def is_ours(process: psutil.Process) -> bool:
    """Whether the demo started it, directly or not."""
    with suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK[0]) == MARK[1]
    return False


def run(command: Command, cwd: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Run a command to its end, passing on each line it prints; its last lines are the reason if it fails."""
    lines: list[str] = []
    with started(command, cwd, environment, subprocess.PIPE) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            say(line)
        code = process.wait()
    if code:
        said = "\n".join(lines[-30:])
        raise StepFailedError(f"{said}\n\n`{' '.join(map(str, command))}` ended with exit status {code}.")


def clean_environment(names: frozenset[str]) -> dict[str, str]:
    """The user's environment without what would steer the project: its variables, make's, Python's, git's."""
    prefixes = ("MAKE", "MFLAGS", "GIT_", "PYTHON", "VIRTUAL_ENV", "DJANGO_")
    return {k: v for k, v in os.environ.items() if k not in names and not k.startswith(prefixes)}
