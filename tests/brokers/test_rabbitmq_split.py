"""A split of the cluster ends without anybody's help."""

import time

import pytest

from tests.brokers.rabbitmq import RabbitMQ

#: Seconds. A link that was cut for 1.6 to 2.6 s comes back while its ends take leave of each other; some of these cuts
#: split the cluster, and which ones depends on what was on its way.
CUTS = (1.0, 1.8, 2.2, 4.0)
#: Seconds in which nodes notice what happened; seconds a node has to restart and catch up, on a busy machine.
NOTICED, HEALED = 4, 90
#: Seconds after which nodes that are still apart stay apart: whoever paused has come back long before.
STAYS = 30


@pytest.mark.parametrize("cut", CUTS)
def test_the_cluster_is_whole_again_after_a_short_cut(sound_rabbitmq: RabbitMQ, cut: float) -> None:
    """Every node sees all others, and none of them a partition."""
    _cut(sound_rabbitmq, cut)
    sound_rabbitmq.wait_healthy(HEALED)


def test_it_is_rejoin_that_ends_a_split(sound_rabbitmq: RabbitMQ) -> None:
    """Without it the nodes stay apart for as long as anybody cares to look; once it runs they find each other."""
    try:
        for host in sound_rabbitmq.hosts:
            host.run("systemctl", "stop", "rabbitmq-rejoin")
        assert _split(sound_rabbitmq), "no cut split the cluster: choose other lengths"
    finally:
        for host in sound_rabbitmq.hosts:
            host.run("systemctl", "start", "rabbitmq-rejoin")
    sound_rabbitmq.wait_healthy(HEALED)
    told = [host.run("journalctl", "-u", "rabbitmq-rejoin", "-o", "cat").stdout for host in sound_rabbitmq.hosts]
    assert any("is the odd one: it restarts" in each for each in told)


def _split(cluster: RabbitMQ) -> bool:
    """Cut until the cluster is split and stays so; tells whether it is."""
    for seconds in (1.8, 2.0, 2.2) * 4:
        _cut(cluster, seconds)
        try:
            cluster.wait_healthy(STAYS)
        except TimeoutError:
            if any("partitions ['" in ailment for ailment in cluster.ailing()):
                return True
    return False


def _cut(cluster: RabbitMQ, seconds: float) -> None:
    host = cluster.hosts[0]
    host.cut()
    time.sleep(seconds)
    host.mend()
    time.sleep(NOTICED)
