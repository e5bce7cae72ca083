"""Has a stage, and all that it starts, take what the others leave of the cores."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

#: Control groups of version 1. Those of version 2 are systemd's, and there the stages share alike: it takes longer.
#: Nice levels would not do: with autogroups they count among the processes of one session only.
CPU: Final = Path("/sys/fs/cgroup/cpu")
#: Of the 1,024 that everybody else has.
SHARES: Final = 256
#: Enters the group, and becomes the command.
_ENTER: Final = 'echo $$ >"$0" && exec "$@"'


@contextmanager
def aside(command: Sequence[str]) -> Iterator[list[str]]:
    """The command as it is to be called in the block; as it was, where this machine has no such groups for us."""
    group = CPU / f"aside.{os.getpid()}"
    try:
        group.mkdir()
        (group / "cpu.shares").write_text(str(SHARES), encoding="ascii")
    except OSError:
        yield [*command]
        return
    try:
        yield ["sh", "-c", _ENTER, str(group / "cgroup.procs"), *command]
    finally:
        with suppress(OSError):  # a process that has outlived its stage keeps it
            group.rmdir()
