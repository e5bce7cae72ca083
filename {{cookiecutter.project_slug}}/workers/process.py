"""Which worker this process is."""

import os
import sys
from collections.abc import Sequence
from typing import Final

from workers.topology import Group, topology
from workers.topology.instances import group_of

#: Set in a worker's main process for its children, whose own command line a spawned child no longer shows.
GROUP_VARIABLE: Final = "CELERY_WORKER_GROUP"


def group_name(argv: Sequence[str] | None = None) -> str | None:
    """The worker group of this process by its node name (`-n batch-2@host`), or None: web, beat, a shell.

    The node name is the one thing that a unit, `celery multi` and a hand-typed command all set for each worker.
    """
    if inherited := os.environ.get(GROUP_VARIABLE):
        return inherited
    name = _node_name(sys.argv if argv is None else argv)
    group = group_of(name) if name else None
    if group and argv is None:
        os.environ[GROUP_VARIABLE] = group
    return group


def is_scheduler(argv: Sequence[str] | None = None) -> bool:
    """Whether this process is `celery beat`."""
    program, *arguments = sys.argv if argv is None else argv
    return "celery" in program and "beat" in arguments


def current_group() -> Group | None:
    """The topology's group that this process works for, or None where it is no worker of a known group."""
    name = group_name()
    return topology().groups.get(name) if name else None


def _node_name(argv: Sequence[str]) -> str | None:
    if "worker" not in argv:
        return None
    for option, value in zip(argv, [*argv[1:], ""], strict=True):
        if option in ("-n", "--hostname"):
            return value
        if option.startswith("--hostname="):
            return option.partition("=")[2]
    return None
