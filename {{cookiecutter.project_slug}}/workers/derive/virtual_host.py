"""What RabbitMQ is to hold: exchanges, queues, bindings and policies, all that `workers brokers declare` declares.

Workers and producers declare none of it, and may not: a queue that two versions of the code declare differently stops
both. Limits stand in policies rather than in queue arguments, because those cannot be changed while a queue exists.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from kombu.transport.native_delayed_delivery import (
    bind_queue_to_native_delayed_delivery_exchange,
    declare_native_delayed_delivery_exchanges_and_queues,
)

from workers.derive.queues import EXCHANGE, queue_type, rabbitmq_queues
from workers.topology import Group, Topology
from workers.topology.budgets import consumer_timeout

#: Where messages go that were given up: the exchange, and behind it a queue a group.
DEAD_EXCHANGE: Final = "dead"
DEAD_SUFFIX: Final = ".dead"
#: Deliveries after which a message is given up; RabbitMQ 4's own number, written down because there it means "drop it".
#: Each loss of a worker or of its connection counts, so a fifth of it would give up good tasks in a bad night.
DELIVERY_LIMIT: Final = 20
#: The same of a dead letter, which nothing would take up: a collector whose database is away takes it again and again.
#: -1 says so as well, but only from RabbitMQ 4 on.
NEVER: Final = 1_000_000_000
#: Above RabbitMQ's default of 0, so that a policy somebody adds by hand does not silently take the place of these.
POLICY_PRIORITY: Final = 10

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Exchange:
    """A durable topic exchange."""

    name: str


@dataclass(frozen=True)
class Queue:
    """A durable queue."""

    name: str
    arguments: Arguments


@dataclass(frozen=True)
class Binding:
    """Messages that `source` gets with a matching key go to `destination`: "queue" or "exchange", by `kind`."""

    source: str
    kind: Literal["queue", "exchange"]
    destination: str
    key: str


@dataclass(frozen=True)
class Policy:
    """What holds for all exchanges, or all queues, whose names match `pattern`."""

    name: str
    pattern: str
    apply_to: Literal["queues", "exchanges"]
    definition: Arguments


@dataclass
class Declared:
    """Everything that the virtual host is to hold, each thing once, in an order in which it can be made."""

    exchanges: list[Exchange] = field(default_factory=list)
    queues: list[Queue] = field(default_factory=list)
    bindings: list[Binding] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)


def declared(topology: Topology) -> Declared:
    """Derive the virtual host's contents from the worker groups."""
    everything = Declared(policies=list(_policies(topology)))
    everything.exchanges += [Exchange(DEAD_EXCHANGE), Exchange(EXCHANGE)]
    recorder: Any = _Recorder(everything)
    declare_native_delayed_delivery_exchanges_and_queues(recorder, "quorum")
    for queue in rabbitmq_queues(topology):
        name, key = queue.name, queue.routing_key
        everything.queues.append(Queue(name, queue.queue_arguments or {}))
        everything.queues.append(Queue(dead_queue(name), {"x-queue-type": "quorum"}))
        # `#.`: what comes out of a countdown carries 28 words of delay before the group's name.
        everything.bindings += [
            Binding(EXCHANGE, "queue", name, key),
            Binding(DEAD_EXCHANGE, "queue", dead_queue(name), f"#.{name}"),
        ]
        bind_queue_to_native_delayed_delivery_exchange(recorder, queue)
    return _each_once(everything)


def dead_queue(group: str) -> str:
    """The queue that holds what was given up of a group's tasks."""
    return f"{group}{DEAD_SUFFIX}"


def _policies(topology: Topology) -> Iterator[Policy]:
    # Where a queue is missing its messages would be confirmed and dropped; the alternate exchange keeps them.
    yield Policy("unroutable", f"^({EXCHANGE}|celery_delayed_.+)$", "exchanges", {"alternate-exchange": DEAD_EXCHANGE})
    longest = sum(group.max_length for group in topology.groups.values())
    yield Policy("delayed", r"^celery_delayed_[0-9]+$", "queues", {"max-length": longest})
    for name, group in topology.groups.items():
        yield Policy(name, f"^{name}$", "queues", _limits(name, group))
        # Refusing, not dropping: what does not fit stays in the queue it comes from.
        dead = {"max-length": group.max_length, "overflow": "reject-publish", "delivery-limit": NEVER}
        yield Policy(dead_queue(name), f"^{name}\\{DEAD_SUFFIX}$", "queues", dead)


def _limits(name: str, group: Group) -> Arguments:
    limits: Arguments = {
        "consumer-timeout": consumer_timeout(group) * 1000,  # RabbitMQ counts milliseconds
        "dead-letter-exchange": DEAD_EXCHANGE,
        "dead-letter-routing-key": name,
        "max-length": group.max_length,
        "overflow": "reject-publish",  # the sender learns of it; the default drops the oldest task
    }
    if queue_type(group) == "quorum":
        # Given up only once the dead-letter queue has confirmed; needs reject-publish.
        limits |= {"dead-letter-strategy": "at-least-once", "delivery-limit": DELIVERY_LIMIT}
    return limits


def _each_once(everything: Declared) -> Declared:
    """Without the exchanges and bindings that kombu declares a second time."""
    exchanges = {exchange.name: exchange for exchange in everything.exchanges}
    return Declared(
        list(exchanges.values()), everything.queues, list(dict.fromkeys(everything.bindings)), everything.policies
    )


class _Recorder:
    """A channel that notes what kombu would declare: its own names, numbers and keys, whatever version it is."""

    def __init__(self, everything: Declared) -> None:
        self._everything = everything

    def channel(self) -> "_Recorder":
        return self

    def prepare_queue_arguments(self, arguments: Arguments, **_: object) -> Arguments:
        return arguments

    def exchange_declare(self, *, exchange: str, **_: object) -> None:
        self._everything.exchanges.append(Exchange(exchange))

    def queue_declare(self, *, queue: str, arguments: Arguments, **_: object) -> tuple[str, int, int]:
        self._everything.queues.append(Queue(queue, arguments))
        return queue, 0, 0

    def queue_bind(self, *, queue: str, exchange: str, routing_key: str, **_: object) -> None:
        self._everything.bindings.append(Binding(exchange, "queue", queue, routing_key))

    def exchange_bind(self, *, destination: str, source: str, routing_key: str, **_: object) -> None:
        self._everything.bindings.append(Binding(source, "exchange", destination, routing_key))
