"""What RabbitMQ is to hold follows from the worker groups, limits and all."""

from pathlib import Path
from typing import Any

import pytest

from tests.workers.sample import SOUND, changed, loaded
from workers.derive.virtual_host import Binding, Declared, declared


@pytest.fixture
def everything(tmp_path: Path) -> Declared:
    """Of the sound topology: default, batch, io."""
    return declared(loaded(tmp_path, SOUND))


def _policies(everything: Declared) -> dict[str, dict[str, Any]]:
    return {policy.name: policy.definition for policy in everything.policies}


def test_each_group_has_a_queue_and_one_for_its_dead_letters(everything: Declared) -> None:
    """Beside the queues that hold tasks with a countdown."""
    own = [queue.name for queue in everything.queues if not queue.name.startswith("celery_delayed_")]
    assert own == ["default", "default.dead", "batch", "batch.dead", "io", "io.dead"]
    assert all(queue.arguments["x-queue-type"] == "quorum" for queue in everything.queues)


def test_countdowns_have_their_28_levels(everything: Declared) -> None:
    """Kombu's own names, declared once for all groups; none of them may be missing on its way."""
    levels = {f"celery_delayed_{level}" for level in range(28)}
    assert {exchange.name for exchange in everything.exchanges} == levels | {"tasks", "dead", "celery_delayed_delivery"}
    assert levels < {queue.name for queue in everything.queues}
    for level in range(1, 28):
        assert [
            binding
            for binding in everything.bindings
            if (binding.source, binding.destination) == (f"celery_delayed_{level}", f"celery_delayed_{level - 1}")
        ]


def test_a_delayed_task_finds_its_group(everything: Declared) -> None:
    """Its key then begins with 28 words of delay."""
    assert Binding("celery_delayed_delivery", "exchange", "tasks", "#.batch") in everything.bindings
    assert Binding("tasks", "queue", "batch", "#.batch") in everything.bindings


def test_nothing_is_declared_twice(everything: Declared) -> None:
    """An exchange, queue or binding counts once: `declare` says how many there are."""
    for things in (everything.exchanges, everything.bindings):
        assert len(set(things)) == len(things)
    names = [queue.name for queue in everything.queues]
    assert len(set(names)) == len(names)


def test_limits_follow_from_the_group(everything: Declared) -> None:
    """Milliseconds; a task is given up only once its dead-letter queue has it."""
    assert _policies(everything)["batch"] == {
        "consumer-timeout": 1_800_000,
        "dead-letter-exchange": "dead",
        "dead-letter-routing-key": "batch",
        "dead-letter-strategy": "at-least-once",
        "delivery-limit": 20,
        "max-length": 100_000,
        "overflow": "reject-publish",
    }


def test_a_dead_letter_is_given_up_by_nobody(everything: Declared) -> None:
    """Each try to collect it counts as a delivery, and there is nowhere else for it to go."""
    limits = _policies(everything)["batch.dead"]
    assert limits == {"max-length": 100_000, "overflow": "reject-publish", "delivery-limit": 1_000_000_000}


def test_a_long_group_gets_a_long_consumer_timeout(tmp_path: Path) -> None:
    """Half as much again as the longest task (trap 7)."""
    topology = loaded(tmp_path, changed({"groups.batch.time_limit": 3600, "broker.visibility_timeout": 90000}))
    assert _policies(declared(topology))["batch"]["consumer-timeout"] == 5_400_000


def test_a_transient_group_gets_a_classic_queue_with_what_that_bears(tmp_path: Path) -> None:
    """Delivery limits and at-least-once dead letters are a quorum queue's."""
    everything = declared(loaded(tmp_path, changed({"groups.io.transient": True})))
    types = {queue.name: queue.arguments["x-queue-type"] for queue in everything.queues}
    assert (types["io"], types["io.dead"]) == ("classic", "quorum")
    assert not {"delivery-limit", "dead-letter-strategy"} & set(_policies(everything)["io"])


def test_no_message_is_dropped_for_want_of_a_queue(everything: Declared) -> None:
    """A confirmed message that finds no queue would be gone; the alternate exchange keeps it with the dead letters."""
    policy = next(policy for policy in everything.policies if policy.name == "unroutable")
    assert (policy.apply_to, policy.definition) == ("exchanges", {"alternate-exchange": "dead"})
    assert Binding("dead", "queue", "default.dead", "#.default") in everything.bindings


def test_each_policy_means_its_queue_only(everything: Declared) -> None:
    """`default` must not match `default.dead`, nor a dot any character."""
    patterns = {policy.name: policy.pattern for policy in everything.policies}
    assert (patterns["default"], patterns["default.dead"]) == ("^default$", r"^default\.dead$")
