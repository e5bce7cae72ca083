"""Rows: what must not change anything: a second run, one after others lead, and every playbook in check mode."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rehearsal.host import Host
from tests.fleet import project
from tests.fleet.faults import release
from tests.fleet.ground import Ground, Played
from tests.fleet.row import Seen
from tests.fleet.shopping import shopping
from tests.waiting import until

_MARK: Final = "/run/before-the-dry-runs"
#: On a host: what was written since the mark, and when each service was started; neither holds what services write.
_TOUCHED: Final = f"""\
find /etc /srv /usr /root /var/backups -xdev -newercc {_MARK} -not -type d -not -path '*/.ansible/*'
systemctl show '*.service' --property=Id,ExecMainStartTimestampMonotonic | paste -sd '  \\n' \\
    | grep -E '=(rabbitmq|redis|postgresql@|nginx|celery-(worker|web|beat|relay|flower))' || :
"""


def again(ground: Ground) -> Seen:
    """The playbook that has just run, once more."""
    played = ground.must("site")
    return Seen(f"{_count(played)} changed, {played.seconds:.0f} s", _changed(played))


def moved(ground: Ground) -> Seen:
    """A host that leads queues and one that is primary lose their power, while customers order; then the same."""
    nodes, servers = ground.hosts("rabbitmq"), ground.hosts("redis")
    leader = max(nodes, key=lambda node: len(_led(node)))
    [primary] = [host for host in servers if host.address == _primary(servers[0])]
    nodes.remove(leader)
    servers.remove(primary)
    led = len(_led(leader))
    every = led + sum(len(_led(node)) for node in nodes)
    with shopping(ground) as told:
        with _without(leader, primary):
            until(lambda: sum(len(_led(node)) for node in nodes) == every, "other leaders of all queues")
            until(lambda: _primary(servers[0]) != primary.address, "another primary")
        played = ground.must("site")
    shown = f"{leader.name} led {led} of {every} queues, {primary.name} was primary: {_count(played)} changed"
    return Seen(f"{shown}, {played.seconds:.0f} s; {told.summary}", [*told.misses(), *_changed(played)])


def bare(ground: Ground) -> Seen:
    """What it would do to hosts that have nothing yet, not even the accounts and programs that it speaks of."""
    _mark(ground)
    played = ground.must("site", "--check", "--diff")
    changed = [f"{name}: {line}" for name, lines in _touched(ground).items() for line in sorted(lines)]
    return Seen(f"{_count(played)} changes foretold, {len(changed)} made", changed)


def dry(ground: Ground) -> Seen:
    """Every playbook with `--check --diff`; the release is one that the hosts do not have."""
    release(ground)
    try:
        return _dry(ground)
    finally:
        project.undo(ground.project.root)


def _dry(ground: Ground) -> Seen:
    ground.must("backup")
    [*_, dump] = sorted((ground.project.root / f"backups/{ground.environment.name}").glob("*.dump"))
    told = {"scale": "scale_out=work2", "restore": f"restore_file={dump}"}
    playbooks = sorted(path.stem for path in (ground.project.root / "ansible").glob("*.yml"))
    _mark(ground)
    before = _touched(ground)
    misses = []
    for playbook in playbooks:
        options = ("-e", told[playbook]) if playbook in told else ()
        played = ground.play(playbook, "--check", "--diff", *options)
        misses += [f"{playbook}: {played.text[-1500:]}"] if played.code else []
    after = _touched(ground)
    misses += [f"{name}: {line}" for name in after for line in sorted(after[name] ^ before[name])]
    return Seen(f"{len(playbooks)} playbooks, {len(misses)} failed or changed something", misses)


@contextmanager
def _without(*hosts: Host) -> Iterator[None]:
    """They have no power until the end of the block."""
    for host in hosts:
        host.power_off()
    try:
        yield
    finally:
        for host in hosts:
            host.boot()
            host.wait()


def _count(played: Played) -> int:
    return sum(played.changed.values())


def _changed(played: Played) -> list[str]:
    return [f"{host}: {count} changed" for host, count in played.changed.items() if count]


def _mark(ground: Ground) -> None:
    for host in ground.fleet.hosts.values():
        host.run("touch", _MARK)


def _touched(ground: Ground) -> dict[str, set[str]]:
    """By host, files that were written since the mark, and when services were started."""
    found = {host.name: host.run("sh", "-c", _TOUCHED).stdout for host in ground.fleet.hosts.values()}
    return {name: set(lines.splitlines()) for name, lines in found.items()}


def _led(node: Host) -> list[str]:
    """The queues that a node leads; asking for all of them would wait for those whose leader is gone."""
    asked = ("rabbitmqctl", "--quiet", "list_queues", "-p", project.NAME, "name", "type", "--local")
    found = json.loads(node.run(*asked, "--formatter", "json").stdout)
    return [queue["name"] for queue in found if queue["type"] == "quorum"]


def _primary(witness: Host) -> str:
    """The address at which the results are written, as a host's Sentinel has noted."""
    known = witness.read("/var/lib/redis/sentinel/own.conf")
    found = re.search(r"^sentinel monitor results (\S+)", known, re.MULTILINE)
    assert found, f"{witness.name} has no Sentinel for the results"
    return found[1]
