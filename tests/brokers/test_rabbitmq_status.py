"""`workers brokers status` tells what is wrong with a real cluster, in time, also while a node is dead."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from rehearsal.errors import RehearsalError
from tests.brokers.clients import Clients
from tests.brokers.observers import project as observed_project
from tests.brokers.rabbitmq import PROJECT, RabbitMQ

#: Seconds that it may take with a node dead.
BOUND = 5
#: Seconds within which queues tell their lengths anew: five in between, a start of the command, and a busy machine.
TOLD = 90

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
    if all(sight in str(answer) for sight in {sights!r}) or time.monotonic() > deadline:
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


def looked(clients: Clients, role: str = "monitoring", *sights: str) -> dict[str, Any]:
    """What is seen by the user of that role, once all `sights` are a part of it."""
    links = clients.cluster.links(role)  # type: ignore[arg-type]
    found: dict[str, Any] = clients.ask(_LOOK.format(within=TOLD, sights=sights), links)
    return found


def said(found: dict[str, Any], *, without: str = "leads") -> list[str]:
    """The findings, each in a line; where queues are led depends on the tests before."""
    lines = [f"{it['severity']} {it['subject']}: {it['message']}" for it in found["findings"]]
    return [line for line in lines if without not in line]


def test_a_sound_cluster_is_well(rabbitmq_clients: Clients) -> None:
    """Every node runs, every queue has all its members, and nothing is missing."""
    found = looked(rabbitmq_clients)
    assert said(found) == []
    assert [node["state"] for node in found["tables"]["nodes"]] == ["running"] * 3
    *groups, delayed = found["tables"]["queues"]
    assert {row["members online"] for row in groups} == {"3 of 3"}
    assert sum(node["leads"] for node in found["tables"]["nodes"]) == 40
    assert delayed["queue"] == "with a countdown, all"


def test_the_command_says_the_same_and_ends_by_severity(rabbitmq_clients: Clients, sound_rabbitmq: RabbitMQ) -> None:
    """Redis is not there, which is critical."""
    done = rabbitmq_clients.run(
        "-m", "workers", "brokers", "status", "--json", changes=sound_rabbitmq.links("monitoring")
    )
    assert done.returncode == 4, done.stderr
    data = json.loads(done.stdout)
    assert data["severity"] == "critical"
    rabbitmq, unanswered = data["reports"]  # the one of results and cache
    assert rabbitmq["title"].startswith("BROKER_URL: RabbitMQ 4.")
    assert unanswered["findings"][0]["subject"] == "127.0.0.1:9"


def test_what_waits_is_counted_and_wants_a_worker(rabbitmq_clients: Clients, sound_rabbitmq: RabbitMQ) -> None:
    """Tasks without a worker are a warning; tasks with a countdown are counted, which no group's queue shows."""
    rabbitmq_clients.publish("priority", 3)
    rabbitmq_clients.publish("priority", 2, countdown=300, kind="eta")
    try:
        found = looked(rabbitmq_clients, "monitoring", "'delayed': 2", "3 tasks wait")  # each queue tells when it likes
    finally:
        sound_rabbitmq.clear()
    assert said(found) == ["warning priority: 3 tasks wait, and no worker takes them"]
    rows = {row["queue"]: row for row in found["tables"]["queues"]}
    assert (rows["priority"]["ready"], rows["with a countdown, all"]["delayed"]) == (3, 2)


def test_who_may_not_see_all_is_told(rabbitmq_clients: Clients) -> None:
    """A finding in place of a table, rather than a cluster that looks well because nobody looked."""
    found = looked(rabbitmq_clients, "deploy")
    assert "nodes" not in found["tables"]
    assert any("does not let the user 'observed_deploy'" in line for line in said(found))
    refused = looked(rabbitmq_clients, "web")
    (line,) = said(refused)
    assert line.startswith("critical cluster: no node can be asked: r1:15671, r2:15671, r3:15671 does not let the user")


@pytest.fixture
def spoiled(rabbitmq_clients: Clients, sound_rabbitmq: RabbitMQ) -> Iterator[Clients]:
    """A queue is gone, and a policy of somebody else's is above ours; until the test's end, however it ends."""
    try:
        rabbitmq_clients.ask(_SPOILED, sound_rabbitmq.links("deploy"))
        yield rabbitmq_clients
    finally:
        with suppress(RehearsalError):  # the policy may not have come so far
            sound_rabbitmq.ctl(sound_rabbitmq.hosts[0], "clear_policy", "-p", PROJECT, "stricter")
        observed_project.declare(rabbitmq_clients.project, sound_rabbitmq)


def test_what_is_missing_or_wrong_is_found(spoiled: Clients) -> None:
    """A queue that somebody deleted, a policy that somebody put above ours; `declare` mends the first."""
    assert said(looked(spoiled, "monitoring", "policy stricter", "1 missing: green", "2 missing")) == [
        "critical queues: 1 missing: green",
        "critical bindings: 2 missing: tasks > green",
        "warning io: is under policy stricter, not under policy io",
    ]


def test_a_dead_node_is_seen_in_time(rabbitmq_clients: Clients, sound_rabbitmq: RabbitMQ) -> None:
    """Asked while the others have not noticed yet, and afterwards."""
    lost = sound_rabbitmq.hosts[2]
    lost.power_off()
    try:
        assert looked(rabbitmq_clients)["seconds"] < BOUND
        found = looked(rabbitmq_clients, "monitoring", "2 of 3 members are online")
        assert found["seconds"] < BOUND
        assert f"warning rabbit@{lost.name}: is not running, or nobody hears of it" in said(found)
        assert found["severity"] == "warning"
    finally:
        lost.boot()
        sound_rabbitmq.wait_healthy(120)


def test_an_alarm_is_critical(rabbitmq_clients: Clients, sound_rabbitmq: RabbitMQ) -> None:
    """While it lasts every publisher waits, on every node."""
    node = sound_rabbitmq.hosts[1]
    sound_rabbitmq.ctl(node, "set_vm_memory_high_watermark", "absolute", "1MiB")
    try:
        found = said(looked(rabbitmq_clients, "monitoring", "is short of memory"))
    finally:
        sound_rabbitmq.ctl(node, "set_vm_memory_high_watermark", "absolute", "1024MiB")
    assert f"critical rabbit@{node.name}: is short of memory: every publisher of the cluster waits" in found
