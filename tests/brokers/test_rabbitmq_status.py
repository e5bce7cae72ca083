"""`workers brokers status` tells what is wrong with a real cluster, in time, also while a node is dead."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.brokers.clients import Clients
from tests.brokers.cluster import Cluster
from tests.brokers.rabbitmq import PROJECT, RabbitMQ, until
from tests.project.running import Project

#: Seconds that it may take with a node dead.
BOUND = 5
#: Seconds within which queues tell their lengths anew: five in between, and a start of the command.
TOLD = 40

#: Looks, and says how long that took; what is left out is Redis, of which there is none here.
_LOOK = """
import time
from config.env import environment
from workers.brokers.rabbitmq.status import look
from workers.topology import load
topology, env = load().topology, environment()
began = time.monotonic()
(report,) = look(env, topology)
answer = {"seconds": time.monotonic() - began, **report.as_data()}
"""


@pytest.fixture(scope="module")
def cluster(rabbitmq: Cluster) -> Iterator[RabbitMQ]:
    """The cluster of this session, healthy."""
    assert isinstance(rabbitmq, RabbitMQ)
    rabbitmq.wait_healthy()
    rabbitmq.clear()
    yield rabbitmq
    rabbitmq.clear()


@pytest.fixture
def clients(cluster: RabbitMQ, observed: Project, tmp_path: Path) -> Clients:
    """Processes of the project."""
    return Clients(cluster, observed, tmp_path)


def looked(clients: Clients, role: str = "monitoring") -> dict[str, Any]:
    """What is seen by the user of that role."""
    found: dict[str, Any] = clients.ask(_LOOK, clients.cluster.links(role))  # type: ignore[arg-type]
    return found


def said(found: dict[str, Any], *, without: str = "leads") -> list[str]:
    """The findings, each in a line; where queues are led depends on the tests before."""
    lines = [f"{it['severity']} {it['subject']}: {it['message']}" for it in found["findings"]]
    return [line for line in lines if without not in line]


def test_a_sound_cluster_is_well(clients: Clients) -> None:
    """Every node runs, every queue has all its members, and nothing is missing."""
    found = looked(clients)
    assert said(found) == []
    assert [node["state"] for node in found["tables"]["nodes"]] == ["running"] * 3
    *groups, delayed = found["tables"]["queues"]
    assert {row["members online"] for row in groups} == {"3 of 3"}
    assert sum(node["leads"] for node in found["tables"]["nodes"]) == 40
    assert delayed["queue"] == "with a countdown, all"


def test_the_command_says_the_same_and_ends_by_severity(clients: Clients, cluster: RabbitMQ) -> None:
    """Redis is not there, which is critical."""
    done = clients.run("-m", "workers", "brokers", "status", "--json", changes=cluster.links("monitoring"))
    assert done.returncode == 4, done.stderr
    data = json.loads(done.stdout)
    assert data["severity"] == "critical"
    rabbitmq, results, _ = data["reports"]
    assert rabbitmq["title"].startswith("BROKER_URL: RabbitMQ 4.")
    assert results["findings"][0]["subject"] == "127.0.0.1:9"


def test_what_waits_is_counted_and_wants_a_worker(clients: Clients, cluster: RabbitMQ) -> None:
    """Tasks without a worker are a warning; tasks with a countdown are counted, which no group's queue shows."""
    clients.publish("priority", 3)
    clients.publish("priority", 2, countdown=300, kind="eta")
    found: dict[str, Any] = {}

    def counted() -> bool:
        found.update(looked(clients))
        rows = {row["queue"]: row for row in found["tables"]["queues"]}
        return rows["priority"]["ready"] == 3 and rows["with a countdown, all"]["delayed"] == 2

    until(counted, lambda: f"3 ready and 2 delayed: {found['tables']['queues']}", TOLD)
    assert said(found) == ["warning priority: 3 tasks wait, and no worker takes them"]
    cluster.clear()


def test_who_may_not_see_all_is_told(clients: Clients) -> None:
    """A finding in place of a table, rather than a cluster that looks well because nobody looked."""
    found = looked(clients, "deploy")
    assert "nodes" not in found["tables"]
    assert any("does not let the user 'observed_deploy'" in line for line in said(found))
    refused = looked(clients, "web")
    (line,) = said(refused)
    assert line.startswith("critical cluster: no node can be asked: r1:15671, r2:15671, r3:15671 does not let the user")


def test_what_is_missing_or_wrong_is_found(clients: Clients, cluster: RabbitMQ) -> None:
    """A queue that somebody deleted, a policy that somebody put above ours; `declare` mends the first."""
    node = cluster.hosts[0]
    stricter = ("stricter", "^io$", '{"max-length": 7}', "--apply-to", "queues", "--priority", "99")
    node.run("rabbitmqctl", "delete_queue", "-p", PROJECT, "green")
    node.run("rabbitmqctl", "set_policy", "-p", PROJECT, *stricter)
    try:
        found: list[str] = []

        def noticed() -> bool:
            found[:] = said(looked(clients))
            return len(found) == 3

        until(noticed, lambda: f"three findings: {found}", TOLD)
        assert found[0] == "critical queues: 1 missing: green"
        assert found[1].startswith("critical bindings: 3 missing: ")
        assert found[2] == "warning io: is under policy stricter, not under policy io"
    finally:
        node.run("rabbitmqctl", "clear_policy", "-p", PROJECT, "stricter")
        done = clients.run("-m", "workers", "brokers", "declare", changes=cluster.links("deploy"))
    assert done.returncode == 0, done.stderr


def test_a_dead_node_is_seen_in_time(clients: Clients, cluster: RabbitMQ) -> None:
    """Asked while the others have not noticed yet, and afterwards."""
    lost = cluster.hosts[2]
    lost.power_off()
    try:
        first = looked(clients)
        assert first["seconds"] < BOUND
        found: dict[str, Any] = {}

        def noticed() -> bool:
            found.update(looked(clients))
            return any("2 of 3 members are online" in line for line in said(found))

        until(noticed, lambda: f"lost members: {found['findings']}", TOLD)
        assert found["seconds"] < BOUND
        assert f"warning rabbit@{lost.name}: is not running, or nobody hears of it" in said(found)
        assert found["severity"] == "warning"
    finally:
        lost.boot()
        cluster.wait_healthy(120)


def test_an_alarm_is_critical(clients: Clients, cluster: RabbitMQ) -> None:
    """While it lasts every publisher waits, on every node."""
    node = cluster.hosts[1]
    node.run("rabbitmqctl", "set_vm_memory_high_watermark", "absolute", "1MiB")
    try:
        found: list[str] = []

        def noticed() -> bool:
            found[:] = said(looked(clients))
            return bool(found)

        until(noticed, "an alarm", TOLD)
        assert f"critical rabbit@{node.name}: is short of memory: every publisher of the cluster waits" in found
    finally:
        node.run("rabbitmqctl", "set_vm_memory_high_watermark", "absolute", "1024MiB")
