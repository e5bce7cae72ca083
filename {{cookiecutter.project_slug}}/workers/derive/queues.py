"""The queues and the exchange, as RabbitMQ and as Redis want them."""

from typing import Final

from kombu import Exchange, Queue

from workers.derive.broker import is_rabbitmq
from workers.topology import Group, Topology

#: A topic exchange: RabbitMQ's native delayed delivery cannot route through a direct one (trap 2).
EXCHANGE: Final = "tasks"
PERSISTENT, TRANSIENT = 2, 1


def queues(topology: Topology, broker_url: str) -> list[Queue]:
    """One queue for each group, named after it."""
    if is_rabbitmq(broker_url):
        return rabbitmq_queues(topology)
    return [Queue(name, Exchange(EXCHANGE, type="topic"), routing_key=name) for name in topology.groups]


def rabbitmq_queues(topology: Topology) -> list[Queue]:
    """The queues as RabbitMQ wants them; no process that sends or consumes may declare them (virtual_host.py)."""
    exchange = Exchange(EXCHANGE, type="topic", durable=True, no_declare=True)
    return [
        Queue(name, exchange, routing_key=name, queue_arguments={"x-queue-type": queue_type(group)}, no_declare=True)
        for name, group in topology.groups.items()
    ]


def queue_type(group: Group) -> str:
    """RabbitMQ's type of the group's queue."""
    # A quorum queue writes every message to disk, whatever its delivery mode says.
    return "classic" if group.transient else "quorum"
