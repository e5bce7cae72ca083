"""What is wrong with a RabbitMQ cluster is found, how bad it is, and what to do about it."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.workers.management import VIRTUAL_HOST, Management, serving
from tests.workers.sample import SOUND, loaded
from workers.brokers.rabbitmq.api import Api
from workers.brokers.rabbitmq.declare import Differences, VirtualHost
from workers.brokers.rabbitmq.judgement import judge, leaders, policy_of
from workers.brokers.rabbitmq.status import queues_table
from workers.brokers.rabbitmq.survey import View, survey
from workers.brokers.report import Finding, Severity
from workers.derive.virtual_host import Declared, declared
from workers.topology import Topology

NODES = ("rabbit@r1", "rabbit@r2", "rabbit@r3")
WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    """The sound topology."""
    return loaded(tmp_path, SOUND)


@pytest.fixture
def wanted(topology: Topology) -> Declared:
    """What it asks for."""
    return declared(topology)


def node(name: str, **changes: Any) -> dict[str, Any]:
    """A sound node, but for `changes`."""
    return {"name": name, "running": True, "partitions": [], "mem_used": 100, "mem_limit": 1000, **changes}


def queue(name: str, wanted: Declared, number: int, **changes: Any) -> dict[str, Any]:
    """A sound queue, led by one node after the other."""
    policy = policy_of(name, wanted.policies)
    acts = {"policy": policy.name, "effective_policy_definition": policy.definition} if policy else {}
    members = {"members": list(NODES), "online": list(NODES), "leader": NODES[number % 3]}
    counts = {"messages_ready": 0, "messages_unacknowledged": 0, "messages_dlx": 0, "consumers": 2}
    return {"name": name, "type": "quorum", "state": "running", **members, **counts, **acts, **changes}


def sound(wanted: Declared) -> View:
    """What a node of a sound cluster says."""
    queues = [queue(it.name, wanted, number) for number, it in enumerate(wanted.queues)]
    nodes = [node(name) for name in NODES]
    return View("r1:15671", "", NODES[0], "4.0.5", nodes, queues, [], Differences([], []))


def judged(topology: Topology, wanted: Declared, *views: View) -> list[Finding]:
    """The findings, in production."""
    return list(judge(views, topology, wanted, alone=False))


def test_a_sound_one_has_no_findings(topology: Topology, wanted: Declared) -> None:
    """Or nobody would look at them."""
    assert judged(topology, wanted, sound(wanted)) == []


@pytest.mark.parametrize(
    ("name", "changes", "severity", "message"),
    [
        ("batch", {"messages_ready": 7, "consumers": 0}, WARNING, "7 tasks wait, and no worker takes them"),
        ("batch", {"messages_ready": 75_000}, WARNING, "75000 of 100000 tasks; then it refuses more"),
        ("batch", {"messages_unacknowledged": 90_000}, CRITICAL, "90000 of 100000 tasks; then it refuses more"),
        ("batch", {"messages_dlx": 2}, WARNING, "2 tasks that were given up wait for room in batch.dead"),
        ("batch.dead", {"messages_ready": 3}, WARNING, "3 tasks were given up"),
        ("batch", {"policy": "other"}, WARNING, "is under policy other, not under policy batch"),
        ("batch", {"policy": None, "effective_policy_definition": {}}, WARNING, "is under no policy, not under"),
        ("batch", {"online": ["rabbit@r1"]}, CRITICAL, "1 of 3 members are online, 2 are needed: they give and take"),
        ("batch", {"online": list(NODES[:2])}, WARNING, "2 of 3 members are online: one loss more stops them"),
        (
            "batch",
            {"type": "classic", "state": "down", "members": None},
            CRITICAL,
            "is down: it gives and takes nothing",
        ),
    ],
)
def test_what_is_wrong_with_a_queue_is_found(
    topology: Topology, name: str, changes: dict[str, Any], severity: Severity, message: str
) -> None:
    """Each by itself, with what to do."""
    wanted = declared(topology)
    view = sound(wanted)
    (spoiled,) = (it for it in view.queues or () if it["name"] == name)
    spoiled.update(changes)  # type: ignore[attr-defined]
    (finding,) = judged(topology, wanted, view)
    assert finding.severity == severity
    assert finding.message.startswith(message)
    assert finding.cure


def test_another_limit_that_acts_is_found(topology: Topology, wanted: Declared) -> None:
    """An operator policy takes the lower of two limits, whatever ours says."""
    view = sound(wanted)
    (spoiled,) = (it for it in view.queues or () if it["name"] == "io")
    acts = {**spoiled["effective_policy_definition"], "max-length": 7}
    spoiled.update({"effective_policy_definition": acts})  # type: ignore[attr-defined]
    (finding,) = judged(topology, wanted, view)
    assert finding.message == "other limits act on it: max-length 7, to be 100000"


@pytest.mark.parametrize(
    ("changes", "severity", "message"),
    [
        ({"mem_alarm": True}, CRITICAL, "is short of memory: every publisher of the cluster waits"),
        ({"disk_free_alarm": True}, CRITICAL, "is short of space on its disk: every publisher of the cluster waits"),
        ({"mem_used": 760}, WARNING, "memory 76% of what stops publishers"),
        ({"partitions": ["rabbit@r3"]}, CRITICAL, "is in a partition: cut off from rabbit@r3 and did not join again"),
    ],
)
def test_what_is_wrong_with_a_node_is_found(
    topology: Topology, wanted: Declared, changes: dict[str, Any], severity: Severity, message: str
) -> None:
    """Alarms stop publishers on all nodes, so they are critical wherever they are."""
    view = replace(sound(wanted), nodes=[node(NODES[0], **changes), *map(node, NODES[1:])])
    (finding,) = judged(topology, wanted, view)
    assert (finding.subject, finding.severity, finding.message) == (NODES[0], severity, message)


def test_a_lost_node_is_two_findings_not_forty(topology: Topology, wanted: Declared) -> None:
    """The node, and in one line all queues that it is missing from; that its API is silent says nothing new."""
    view = sound(wanted)
    nodes = [node(NODES[0]), node(NODES[1]), {"name": NODES[2], "running": False}]
    queues = [
        {**it, "online": list(NODES[:2]), "leader": NODES[number % 2]} for number, it in enumerate(view.queues or ())
    ]
    found = judged(
        topology, wanted, replace(view, nodes=nodes, queues=queues), View("r3.internal:15671", "does not answer")
    )
    assert [finding.subject for finding in found] == [
        "rabbit@r3",
        "34 queues (celery_delayed_27, celery_delayed_26, celery_delayed_25, ...)",
    ]
    assert {finding.severity for finding in found} == {WARNING}


def test_a_silent_api_of_a_running_node_is_said(topology: Topology, wanted: Declared) -> None:
    """Messages flow, and nobody can look."""
    (finding,) = judged(topology, wanted, sound(wanted), View("r2:15671", "refuses connections"))
    assert (finding.subject, finding.message) == ("r2:15671", "its management API refuses connections")


def test_a_node_that_hears_less_than_others_is_said(topology: Topology, wanted: Declared) -> None:
    """A link between two hosts is cut, and both still run."""
    deaf = replace(sound(wanted), name=NODES[1], nodes=[node(NODES[0]), node(NODES[1]), {"name": NODES[2]}])
    (finding,) = judged(topology, wanted, sound(wanted), deaf)
    assert (finding.subject, finding.message) == ("rabbit@r2", "does not hear of rabbit@r3, others do")


def test_nobody_answers_is_critical_and_said_once(topology: Topology, wanted: Declared) -> None:
    """What all nodes say alike stands there once."""
    views = [View(f"r{number}:15671", "does not answer") for number in (1, 2, 3)]
    (finding,) = judged(topology, wanted, *views)
    assert finding.severity == CRITICAL
    assert finding.message == "no node can be asked: r1:15671, r2:15671, r3:15671 does not answer"


def test_queues_led_by_few_are_found(topology: Topology, wanted: Declared) -> None:
    """A node that came back leads nothing until somebody spreads them anew."""
    view = sound(wanted)
    queues = [{**it, "leader": NODES[number % 2]} for number, it in enumerate(view.queues or ())]
    (finding,) = judged(topology, wanted, replace(view, queues=queues))
    assert finding.subject == "rabbit@r3"
    assert finding.message.startswith("leads 0 queues, its share is 11")
    assert leaders(replace(view, queues=queues)) == {"rabbit@r1": 17, "rabbit@r2": 17, "rabbit@r3": 0}


def test_blocked_connections_are_counted_by_user(topology: Topology, wanted: Declared) -> None:
    """The user says whose tasks wait."""
    connections = [{"user": "shop_web", "state": state} for state in ("blocked", "blocking", "running", "flow")]
    (finding,) = judged(topology, wanted, replace(sound(wanted), connections=connections))
    assert (finding.subject, finding.severity) == ("shop_web", WARNING)
    assert finding.message.startswith("2 connections of this user are blocked")


def test_a_developers_broker_may_be_one_node(topology: Topology, wanted: Declared) -> None:
    """In production it would be stopped by its first loss."""
    view = sound(wanted)
    members = {"members": [NODES[0]], "online": [NODES[0]], "leader": NODES[0]}
    one = replace(view, nodes=[node(NODES[0])], queues=[{**it, **members} for it in view.queues or ()])
    assert list(judge([one], topology, wanted, alone=True)) == []
    assert {finding.message.split(":")[0] for finding in judged(topology, wanted, one)} == {
        "has 1 of the 3 nodes it takes to bear a loss",
        "1 of 1 members are online",
    }


def test_countdowns_are_counted_wherever_they_are(topology: Topology, wanted: Declared) -> None:
    """They pass from queue to queue, and are under way between two of them as well."""
    view = sound(wanted)
    queues = copy.deepcopy(list(view.queues or ()))
    by_name = {it["name"]: it for it in queues}
    by_name["celery_delayed_9"]["messages_ready"] = 4  # type: ignore[index]
    by_name["celery_delayed_0"].update(messages_unacknowledged=2, messages_dlx=1)  # type: ignore[attr-defined]
    *_, row = queues_table(replace(view, queues=queues), topology).rows
    assert row[:4] == ("with a countdown, all", None, None, 7)


@pytest.fixture
def management(wanted: Declared) -> Iterator[Management]:
    """An API before a virtual host that holds what it is to hold."""
    with serving() as management:
        management.nodes = [node(NODES[0])]
        for change in VirtualHost(Api([management.url], None), VIRTUAL_HOST).changes(wanted):
            change.apply()
        yield management


def test_each_node_is_asked_for_itself(management: Management, wanted: Declared) -> None:
    """One that is dead is a view with the reason, and holds up no other."""
    dead = management.url._replace(netloc="monitoring:pw@127.0.0.1:9")
    alive, gone = survey(Api([management.url, dead], None), VIRTUAL_HOST, wanted)
    assert (alive.name, alive.error, alive.unseen) == ("rabbit@r1", "", [])
    assert alive.differences == Differences([], [])
    assert gone.error == "refuses connections: nothing listens there"


def test_what_may_not_be_seen_is_none_and_said(management: Management, topology: Topology, wanted: Declared) -> None:
    """Rather than a cluster that looks well because nobody looked."""
    management.refused.add("nodes")
    (view,) = survey(Api([management.url], None), VIRTUAL_HOST, wanted)
    assert view.nodes is None
    subjects = [finding.subject for finding in judged(topology, wanted, view)]
    assert subjects == ["not seen"]


def test_what_is_missing_is_one_finding_a_kind(management: Management, topology: Topology, wanted: Declared) -> None:
    """Critical: its tasks are refused, or their dead letters lost."""
    for name in ("batch", "io"):
        del management.things["queues"][name]
        management.things["policies"][name]["priority"] = 0
    (view,) = survey(Api([management.url], None), VIRTUAL_HOST, wanted)
    found = {finding.subject: finding for finding in judged(topology, wanted, view)}
    assert found["queues"].message == "2 missing: batch, io"
    assert found["queues"].severity == CRITICAL
    assert found["policies"].message == "2 not as workers.yml asks for: batch, io"
    assert found["policies"].severity == WARNING
