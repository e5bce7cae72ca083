"""Rows: a host comes, a host is emptied and goes, hosts are lost for good and replaced by bare ones."""

import json
import re
from typing import Final

import yaml

from rehearsal.host import Host
from tests.fleet import project
from tests.fleet.ground import Ground
from tests.fleet.losses import replace_disk
from tests.fleet.row import Seen
from tests.fleet.shopping import shopping

#: Who comes and goes: a third host for the workers, after the second one.
COMES: Final = ("work3", "10.20.0.53")
_BEFORE: Final = "work2"
#: One of each kind that has others to do its work meanwhile.
_LOST: Final = ("rabbit3", "redis2", "work2")


def added(ground: Ground) -> Seen:
    """A bare host is put into the inventory; it gets what the others serve, and works."""
    name, address = COMES
    _edit(ground, rf"^(    {_BEFORE}: .*\n)", rf"\1    {name}: {{ansible_host: {address}}}\n", 3)
    ground.fleet.up()
    with shopping(ground) as told:
        played = ground.must("scale")
    new, old = _workers(ground.fleet[name]), _workers(ground.fleet[_BEFORE])
    misses = [*told.misses(), *([] if len(new) == len(old) else [f"{name} runs {new}, {_BEFORE} {old}"])]
    return Seen(f"{played.seconds:.0f} s, {len(new)} workers; {told.summary}", misses)


def drained(ground: Ground) -> Seen:
    """It is emptied, taken out of the inventory, and forgotten by the others."""
    name, address = COMES
    host = ground.fleet[name]
    with shopping(ground) as told:
        out = ground.must("scale", "-e", f"scale_out={name}")
        left = _workers(host)
        _edit(ground, rf"^    {name}: .*\n", "", 2)
        host.power_off()
        rest = ground.must("scale")
    knowing = [other.name for other in ground.fleet.hosts.values() if _knows(other, address)]
    misses = [*told.misses(), *([f"it still ran {left}"] if left else [])]
    misses += [f"{other} still knows {address}" for other in knowing]
    return Seen(f"emptied in {out.seconds:.0f} s, forgotten in {rest.seconds:.0f} s; {told.summary}", misses)


def replaced(ground: Ground) -> Seen:
    """A broker, a Redis and a host of workers burn down; bare hosts of their names stand in their places."""
    with shopping(ground) as told:
        for name in _LOST:
            replace_disk(ground, ground.fleet[name])
        played = ground.must("site")
    misses = told.misses()
    misses += [f"RabbitMQ runs on {nodes}" for nodes in [_nodes(ground)] if len(nodes) != len(ground.hosts("rabbitmq"))]
    misses += [f"{queue} is not on all nodes" for queue in _thin(ground)]
    if not _workers(ground.fleet["work2"]):
        misses.append("work2 has no workers")
    return Seen(f"{', '.join(_LOST)} in {played.seconds:.0f} s; {told.summary}", misses)


def _edit(ground: Ground, pattern: str, new: str, count: int) -> None:
    """Change the inventory, and say in sizes.yml how many hosts each worker group has now."""
    folder = ground.environment.relative_to(ground.project.root)
    project.change(ground.project.root, str(folder / "inventory.yml"), pattern, new)
    sizes = ground.environment / "sizes.yml"
    held = yaml.safe_load(sizes.read_text(encoding="utf-8"))
    for group in held["groups"].values():
        group["hosts"] = count
    sizes.write_text(yaml.safe_dump(held), encoding="utf-8")
    project.commit(ground.project.root, "Other hosts")
    ground.reread()


def _workers(host: Host) -> list[str]:
    """The worker units that are at work on a host."""
    asked = (
        "systemctl",
        "list-units",
        "--plain",
        "--no-legend",
        "--state=active",
        f"celery-worker-{project.NAME}@*.service",
    )
    return [line.split()[0] for line in host.run(*asked).stdout.splitlines()]


def _knows(host: Host, address: str) -> bool:
    known = host.read("/etc/hosts") + host.run("nft", "list", "ruleset").stdout
    return re.search(rf"\b{re.escape(address)}\b", known) is not None


def _nodes(ground: Ground) -> list[str]:
    asked = ("rabbitmqctl", "--quiet", "eval", "rabbit_nodes:list_running().")
    return re.findall(r"rabbit@\w+", ground.hosts("rabbitmq")[0].run(*asked).stdout)


def _thin(ground: Ground) -> list[str]:
    """Quorum queues that have not a member on each node."""
    nodes = ground.hosts("rabbitmq")
    asked = ("rabbitmqctl", "--quiet", "list_queues", "-p", project.NAME, "name", "type", "members")
    found = json.loads(nodes[0].run(*asked, "--formatter", "json").stdout)
    return [queue["name"] for queue in found if queue["type"] == "quorum" and len(queue["members"]) < len(nodes)]
