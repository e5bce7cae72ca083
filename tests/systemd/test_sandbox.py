"""From inside a task of each pool: what it must not do, the kernel refuses; what it is there for, it does."""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.systemd.app import worker
from tests.systemd.ground import Ground
from tests.systemd.probe.names import TRIES

#: One worker for each kind of pool: forked children, spawned ones, threads, greenlets.
POOLS: Final = {"priority": "priority", "ml": "ml", "io": "io", "green": "green"}


@pytest.fixture(scope="module")
def working(standing: Ground) -> Iterator[Ground]:
    """A worker of each pool, and the file of another user."""
    host = standing.app.host
    host.run("useradd", "--system", "--create-home", "--home-dir", "/srv/other", "other")
    host.write("/srv/other/secret", "of another user", mode=0o600, owner="other:other")
    standing.app.start(*map(worker, POOLS.values()))
    yield standing
    standing.app.quiet()


def test_every_pool_works_in_the_sandbox(working: Ground) -> None:
    """It would be easy to forbid everything. Spawned children compute with numpy, on its own threads."""
    answers = working.call(*((group, "answer", [group, 0]) for group in POOLS), ("ml", "numbers", []))
    assert answers == [*POOLS, pytest.approx(2.4299595e14)]


def test_what_a_task_must_not_do_is_refused(working: Ground) -> None:
    """Write outside, run a dropped program, load a module, open a raw socket, read what is somebody else's."""
    calls = [(group, what) for group in POOLS for what in TRIES]
    answers = working.call(*((group, "attempt", [what]) for group, what in calls))
    assert dict(zip(calls, answers, strict=True)) == dict.fromkeys(calls, "PermissionError")
