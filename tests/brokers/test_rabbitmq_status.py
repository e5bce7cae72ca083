"""`workers brokers status` tells what is wrong with a real cluster, in time, also while a node is dead."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.brokers.clients import Clients
from tests.brokers.cluster import Cluster
from tests.brokers.rabbitmq import PROJECT, RabbitMQ
from tests.project.running import Project

#: Seconds that it may take with a node dead.
BOUND = 5
#: Seconds within which queues tell their lengths anew: five in between, and a start of the command.
TOLD = 40

#: Looks until it sees what is waited for; what is left out is Redis, of which there is none here.
_LOOK = """
import time
from config.env import environment
from workers.brokers.rabbitmq.status import look
from workers.topology import load
topology, env = load().topology, environment()
deadline = time.monotonic() + {within}
while True:
    began = time.monotonic()
    (report,) = look(env, topology)
    answer = {{"seconds": time.monotonic() - began, **report.as_data()}}
    if {sight!r} in str(answer) or time.monotonic() > deadline:
        break
    time.sleep(0.5)
"""
#: Takes a queue away, and puts a policy above ours.
_SPOILED = """
from config.env import environment
from workers.brokers.rabbitmq import admin
api = admin.api(environment())
api._ask("DELETE", ["queues", "observed", "green"])
stricter = {"pattern": "^io$", "definition": {"max-length": 7}, "apply-to": "queues", "priority": 99}
api.put("policies", "observed", "stricter", body=stricter)
answer = None
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


def looked(clients: Clients, role: str = "monitoring", sight: str = "") -> dict[str, Any]:
    """What is seen by the user of that role, once `sight` is a part of it."""
    links = clients.cluster.links(role)  # type: ignore[arg-type]
    found: dict[str, Any] = clients.ask(_LOOK.format(within=TOLD, sight=sight), links)
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
    found = looked(clients, sight="'delayed': 2")
    assert said(found) == ["warning priority: 3 tasks wait, and no worker takes them"]
    rows = {row["queue"]: row for row in found["tables"]["queues"]}
    assert (rows["priority"]["ready"], rows["with a countdown, all"]["delayed"]) == (3, 2)
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
    clients.ask(_SPOILED, cluster.links("deploy"))
    try:
        found = said(looked(clients, sight="policy stricter"))
    finally:
        cluster.hosts[0].run("rabbitmqctl", "clear_policy", "-p", PROJECT, "stricter")
        done = clients.run("-m", "workers", "brokers", "declare", changes=cluster.links("deploy"))
    assert done.returncode == 0, done.stderr
    assert found == [
        "critical queues: 1 missing: green",
        "critical bindings: 2 missing: tasks > green",
        "warning io: is under policy stricter, not under policy io",
    ]


def test_a_dead_node_is_seen_in_time(clients: Clients, cluster: RabbitMQ) -> None:
    """Asked while the others have not noticed yet, and afterwards."""
    lost = cluster.hosts[2]
    lost.power_off()
    try:
        assert looked(clients)["seconds"] < BOUND
        found = looked(clients, sight="2 of 3 members are online")
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
        found = said(looked(clients, sight="is short of memory"))
    finally:
        node.run("rabbitmqctl", "set_vm_memory_high_watermark", "absolute", "1024MiB")
    assert f"critical rabbit@{node.name}: is short of memory: every publisher of the cluster waits" in found
