"""Hosts live on machines with control groups of version 2 alone, as Debian and Ubuntu have them."""

import subprocess
from pathlib import Path

from tests.rehearsal.hosts import inventory_of
from tests.rehearsal.leavings import leavings
from tests.rehearsal.programs import ENVIRONMENT, REHEARSAL, ROOT

#: In a mount namespace of its own /sys/fs/cgroup is as such a machine has it, whatever this one has.
PURE = """\
set -eu
umount --recursive /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
"$@" up --fleet rt-pure --inventory "$INVENTORY"
"$@" exec --fleet rt-pure a -- systemctl is-system-running
"$@" exec --fleet rt-pure a -- stat --file-system --format=%T /sys/fs/cgroup
"$@" kill --fleet rt-pure a
"$@" boot --fleet rt-pure a
"$@" exec --fleet rt-pure a -- hostname
[ -d /sys/fs/cgroup/rehearsal.rt-pure/a/payload ]
"$@" down --fleet rt-pure
"""


def test_version_2_alone(tmp_path: Path) -> None:
    """The whole life of a host there."""
    inventory_of(tmp_path, a="10.0.0.1")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", PURE, "pure", *REHEARSAL],
        cwd=ROOT,
        env=ENVIRONMENT | {"INVENTORY": str(tmp_path / "inventory.yml")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    answers = [line for line in done.stdout.splitlines() if " " not in line and line]
    assert answers == ["running", "cgroup2fs", "a"]
    assert leavings("rt-pure") == []
