"""Brokers whose disk or memory is full."""

from typing import Any, Final

from tests.brokers.roles import Role
from tests.delivery.ground import Ground
from tests.deployed.beside import RabbitBeside, RedisBeside

#: More than any disk has free. RabbitMQ stops its publishers below a limit, before a disk is full: that limit moves.
BEYOND: Final = "1000000GB"
#: MiB. Less than a node takes when it is empty.
TIGHT: Final = 1
#: Where a Redis of the role keeps the data of the queues; and MiB of the small disk that it is moved to.
DATA: Final = "/var/lib/redis/broker"
SMALL: Final = 64

#: Moves a folder to a small disk and back; its server is down meanwhile.
_SHRINK: Final = """\
set -e
systemctl stop redis-server@broker
mv "$1" "$1.large"
mkdir "$1"
mount -t tmpfs -o "size=$2m" tmpfs "$1"
cp --archive "$1.large/." "$1"
chown --reference="$1.large" "$1"
chmod --reference="$1.large" "$1"
systemctl start redis-server@broker
"""
_GROW: Final = """\
set -e
systemctl stop redis-server@broker
rm -rf "$1.large"
cp --archive "$1" "$1.large"
umount "$1"
rmdir "$1"
mv "$1.large" "$1"
systemctl start redis-server@broker
"""
#: Ends when nothing fits any more.
_FILL: Final = """\
! cat /dev/zero > "$1/filler"
"""


def shrink_disk(ground: Ground) -> None:
    """Have the data of Redis on small disks, one host after the other; RabbitMQ needs no such thing."""
    if isinstance(ground.cluster, RedisBeside):
        _each(ground.cluster, _SHRINK, str(SMALL))
        ground.cluster.lead(ground.cluster.hosts[0])


def grow_disk(ground: Ground) -> None:
    """Move them back."""
    if isinstance(ground.cluster, RedisBeside):
        _each(ground.cluster, _GROW)


def fill_disk(ground: Ground) -> None:
    """The disk of the first host, which leads."""
    if isinstance(ground.cluster, RabbitBeside):
        _limit_disk(ground.cluster, BEYOND)
    else:
        ground.cluster.hosts[0].run("sh", "-c", _FILL, "fill", DATA)


def free_disk(ground: Ground) -> None:
    """There is room again."""
    if isinstance(ground.cluster, RabbitBeside):
        _limit_disk(ground.cluster, f"{_value(ground, 'rabbitmq_disk_reserve')}MiB")
    else:
        ground.cluster.hosts[0].run("rm", f"{DATA}/filler")


def fill_memory(ground: Ground) -> None:
    """The memory of the first host, which leads; on Redis that of all, because each may become primary."""
    if isinstance(ground.cluster, RabbitBeside):
        _limit_memory(ground.cluster, TIGHT)
    else:
        _maxmemory(ground.cluster, f"{TIGHT}mb")


def free_memory(ground: Ground) -> None:
    """There is room again."""
    if isinstance(ground.cluster, RabbitBeside):
        _limit_memory(ground.cluster, _value(ground, "rabbitmq_memory_limit"))
    else:
        _maxmemory(ground.cluster, _value(ground, "redis_instances")["broker"]["maxmemory"])


def _limit_disk(cluster: RabbitBeside, free: str) -> None:
    cluster.ctl(cluster.hosts[0], "set_disk_free_limit", free)


def _limit_memory(cluster: RabbitBeside, mebibytes: int) -> None:
    cluster.ctl(cluster.hosts[0], "set_vm_memory_high_watermark", "absolute", f"{mebibytes}MiB")


def _maxmemory(cluster: RedisBeside, size: str) -> None:
    for host in cluster.hosts:
        cluster.cli(host, "broker", "config", "set", "maxmemory", size)


def _each(cluster: RedisBeside, script: str, *arguments: str) -> None:
    for host in cluster.hosts:
        host.run("sh", "-c", script, "move", DATA, *arguments, timeout=60)
        cluster.wait_healthy(120)


def _value(ground: Ground, name: str) -> Any:  # noqa: ANN401 - whatever the role has under that name
    """What the role gives the first host."""
    cluster = ground.cluster
    return Role(cluster.broker).variables(cluster.variables(cluster.hosts[0]))[name]
