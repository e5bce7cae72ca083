"""A virtual host is looked at first; what cannot be changed is refused, and what is there is left alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workers.management import VIRTUAL_HOST, Management, serving
from tests.workers.sample import SOUND, loaded
from workers.brokers.rabbitmq.api import Api
from workers.brokers.rabbitmq.declare import ConflictError, NoVirtualHostError, VirtualHost
from workers.derive.virtual_host import Declared, declared


@pytest.fixture
def management() -> Iterator[Management]:
    """An API before an empty virtual host."""
    with serving() as management:
        yield management


@pytest.fixture
def host(management: Management) -> VirtualHost:
    """That virtual host."""
    return VirtualHost(Api([management.url], None), VIRTUAL_HOST)


@pytest.fixture
def wanted(tmp_path: Path) -> Declared:
    """What the sound topology asks for."""
    return declared(loaded(tmp_path, SOUND))


def apply(host: VirtualHost, wanted: Declared) -> int:
    """Make every change; how many there were."""
    changes = host.changes(wanted)
    for change in changes:
        change.apply()
    return len(changes)


def test_all_is_made_once(host: VirtualHost, wanted: Declared) -> None:
    """And found again by what the API says of it."""
    total = len(wanted.exchanges) + len(wanted.queues) + len(wanted.bindings) + len(wanted.policies)
    assert apply(host, wanted) == total
    assert host.changes(wanted) == []


def test_policies_come_first(host: VirtualHost, management: Management, wanted: Declared) -> None:
    """A queue is bounded, and has its dead letters, from its first message on."""
    apply(host, wanted)
    puts = [asked.split("/")[2] for asked in management.asked if asked.startswith("PUT")]
    assert puts == sorted(puts, key=["policies", "exchanges", "queues"].index)


def test_only_what_is_missing_is_made(host: VirtualHost, management: Management, wanted: Declared) -> None:
    """A queue with tasks in it is not touched."""
    apply(host, wanted)
    del management.things["queues"]["batch"]
    management.things["policies"]["io"]["definition"] = {"max-length": 1}
    assert [(change.done, change.kind, change.name) for change in host.changes(wanted)] == [
        ("changed", "policy", "io"),
        ("created", "queue", "batch"),
    ]


def test_other_arguments_are_refused_before_anything_is_changed(
    host: VirtualHost, management: Management, wanted: Declared
) -> None:
    """All of them at once, each with what to do; the missing queue stays missing."""
    apply(host, wanted)
    management.things["queues"]["batch"]["arguments"] = {"x-queue-type": "classic", "x-max-length": 3}
    management.things["exchanges"]["tasks"]["type"] = "direct"
    del management.things["queues"]["io"]
    before = len(management.asked)
    with pytest.raises(ConflictError) as caught:
        host.changes(wanted)
    exchange, queue = str(caught.value).splitlines()
    assert exchange.startswith("the exchange tasks exists with direct; wanted is topic, which RabbitMQ cannot change.")
    assert queue == (
        "the queue batch exists with x-max-length 3, x-queue-type classic; wanted is x-max-length unset, x-queue-type quorum, "
        "which RabbitMQ cannot change. Nothing was changed: stop what sends to it, let the workers empty it, "
        "remove it on a node: rabbitmqctl delete_queue --if-empty -p shop batch, run `python -m workers brokers declare`"
    )
    assert {asked.split()[0] for asked in management.asked[before:]} == {"GET"}


def test_a_virtual_host_that_is_not_there_is_refused(management: Management, wanted: Declared) -> None:
    """BROKER_URL names it."""
    nowhere = VirtualHost(Api([management.url], None), "nowhere")
    with pytest.raises(NoVirtualHostError, match=r"^has no virtual host 'nowhere': look at the path of BROKER_URL$"):
        nowhere.changes(wanted)


def test_queues_of_nobody_are_named_and_those_of_remote_control_are_not(
    host: VirtualHost, management: Management, wanted: Declared
) -> None:
    """A group that is gone from workers.yml may have left tasks behind."""
    apply(host, wanted)
    for name in ("gone", "batch@h1.4f.celery.pidbox", "celeryev.7", "celery.pidbox"):
        management.put("queues", name, {"messages": 5})
    assert host.strangers(wanted) == ["gone (5 messages)"]
