"""Rows: brokers are restarted, a broker's host loses its power during a deploy, and so does the controller."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Final

from tests.fleet import project
from tests.fleet.ground import PATIENCE, Ground
from tests.fleet.rollout import current
from tests.fleet.row import Seen
from tests.fleet.shopping import shopping
from tests.waiting import until

#: What is upgraded on the hosts of a group.
_SERVERS: Final = {"rabbitmq": "rabbitmq-server", "redis": "redis-server"}
_MARK: Final = "+newer"
#: On a host: the same package under a higher version, in a repository of its own.
_NEWER: Final = f"""\
set -eu
mkdir /srv/newer && cd /srv/newer
apt-get download -q "$1" 2>&1
dpkg-deb -R ./*.deb tree && rm ./*.deb
sed -i 's/^Version: .*/&{_MARK}/' tree/DEBIAN/control
dpkg-deb -Zgzip -z1 -b tree newer.deb && rm -r tree
{{ dpkg-deb -f newer.deb; echo Filename: ./newer.deb; echo "Size: $(stat -c %s newer.deb)"
  echo "SHA256: $(sha256sum newer.deb | cut -d ' ' -f 1)"; }} >Packages
echo 'deb [trusted=yes] file:/srv/newer ./' >/etc/apt/sources.list.d/newer.list
"""


def playbook(name: str) -> Callable[[Ground], Seen]:
    """A playbook that nobody may notice."""

    def do(ground: Ground) -> Seen:
        with shopping(ground) as told:
            played = ground.must(name)
        return Seen(f"{played.seconds:.0f} s; {told.summary}", told.misses())

    return do


def upgraded(ground: Ground) -> Seen:
    """Newer packages of the brokers' servers come to their repository; every node has them afterwards."""
    nodes = [(host, package) for group, package in _SERVERS.items() for host in ground.hosts(group)]
    for host, package in nodes:
        host.run("sh", "-c", _NEWER, "sh", package, timeout=120)
    seen = playbook("brokers-upgrade")(ground)
    versions = {host.name: host.run("dpkg-query", "-W", "-f${Version}", package).stdout for host, package in nodes}
    seen.misses.extend(f"{host} has {found}" for host, found in versions.items() if not found.endswith(_MARK))
    return seen


def power_lost(ground: Ground) -> Seen:
    """A host of the broker is gone in the middle of a deploy, and comes back; the deploy is run again."""
    lost = ground.hosts("rabbitmq")[1]
    with shopping(ground) as told:
        process = _half_way(ground)
        lost.power_off()
        _, code = process.communicate(timeout=PATIENCE), process.returncode
        lost.boot()
        lost.wait()
        again = ground.must("deploy")
    misses = [*told.misses(), *_not_the_same(ground)]
    return Seen(f"the first deploy ended with {code}, the second in {again.seconds:.0f} s; {told.summary}", misses)


def killed(ground: Ground) -> Seen:
    """The controller is gone in the middle of a deploy; another one does it again."""
    with shopping(ground) as told:
        process = _half_way(ground)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
        between = len(set(current(ground).values()))
        again = ground.must("deploy")
    misses = [*told.misses(), *_not_the_same(ground)]
    return Seen(f"{between} releases between, one after {again.seconds:.0f} s; {told.summary}", misses)


def release(ground: Ground) -> None:
    """Commit something that nobody notices."""
    mark = ground.project.root / "templates/mark.html"
    mark.write_text(f"<!-- {time.time_ns()} -->\n", encoding="utf-8")
    project.commit(ground.project.root, "A mark")


def _half_way(ground: Ground) -> subprocess.Popen[str]:
    """A deploy of a new release that has come to one host and not to all."""
    before = set(current(ground).values())
    release(ground)
    process = ground.playing("deploy")

    def begun() -> bool:
        assert process.poll() is None, "the deploy has ended before it was half way"
        return len({*before, *current(ground).values()}) > len(before)

    until(begun, "the new release on the first host", timeout=300, every=0.5)
    return process


def _not_the_same(ground: Ground) -> list[str]:
    found = current(ground)
    return [f"hosts differ: {found}"] if len(set(found.values())) > 1 else []
