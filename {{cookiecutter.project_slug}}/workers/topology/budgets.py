"""The numbers that follow from the topology by arithmetic; the rules check them and the derivations use them."""

from math import ceil
from typing import Final

from workers.topology.model import Group, Topology

#: MiB a worker's main process holds beside its children: Django, Celery and the project's modules (measured: 60 to 90).
PARENT_MEMORY: Final = 120
#: MiB a slot of the shared-memory pools adds at most: a thread's or greenlet's stack and what its task holds.
SHARED_SLOT_MEMORY: Final = 4
#: Connections a worker's main process opens: consumer, events, replies to remote control, lost and dead tasks, and its
#: watchdog's question how much waits.
BROKER_CONNECTIONS_PER_WORKER: Final = 5
#: Connections from which a slot or a thread of the web publishes: one, and one for durable tasks.
PUBLISHERS: Final = 2
#: Connections of a relay: to the database one for each of its duties, and to the broker.
RELAY_DATABASE_CONNECTIONS: Final = 8
RELAY_BROKER_CONNECTIONS: Final = 2
#: Seconds added to what a stop can take: closing connections, flushing telemetry.
STOP_MARGIN: Final = 30
#: RabbitMQ's default consumer timeout in seconds (30 minutes); a shorter one gains nothing.
RABBITMQ_CONSUMER_TIMEOUT: Final = 1800


def slots(topology: Topology, group: Group) -> int:
    """Tasks at a time of one worker of the group."""
    return topology.host.cpus if group.concurrency == "auto" else group.concurrency


def workers(group: Group) -> int:
    """Workers of the group on all hosts together."""
    return group.hosts * group.instances


def longest_run(group: Group) -> int:
    """Seconds that a task of the group can take: what the pool enforces, or else what the topology promises."""
    return group.time_limit or group.longest_run or 0


def longest_hold(group: Group) -> int:
    """Seconds a message can be held unacknowledged while every reserved task of a slot takes its longest."""
    return longest_run(group) * group.prefetch_multiplier


def stop_budget(group: Group) -> int:
    """Seconds a clean stop can take: the longest task, then the soft shutdown."""
    return longest_run(group) + group.soft_shutdown


def stop_timeout(group: Group) -> int:
    """Seconds systemd waits for a stop."""
    return group.stop_timeout or stop_budget(group) + STOP_MARGIN


def consumer_timeout(group: Group) -> int:
    """Seconds RabbitMQ lets a message of the group go unacknowledged."""
    return group.consumer_timeout or max(RABBITMQ_CONSUMER_TIMEOUT, ceil(1.5 * longest_hold(group)))


def longest_unacknowledged(topology: Topology) -> tuple[str, int]:
    """The group whose messages stay unacknowledged longest on Redis, and for how many seconds.

    A worker on Redis takes a task with a countdown at once and holds it, so the countdown adds to the run.
    """
    return max(
        ((name, longest_hold(group) + group.longest_countdown) for name, group in topology.groups.items()),
        key=lambda pair: pair[1],
    )


def visibility_timeout(topology: Topology) -> int:
    """Seconds after which Redis hands an unacknowledged task to another worker."""
    return topology.broker.visibility_timeout or ceil(1.25 * longest_unacknowledged(topology)[1])


def full_at(group: Group) -> int:
    """Waiting tasks from which on the group's queue counts as full."""
    return group.full_at or max(1, group.max_length // 2)


def recovers_at(group: Group) -> int:
    """Waiting tasks at which a full queue is full no longer: a fifth below, or it would change with every look."""
    return full_at(group) * 4 // 5


def memory(topology: Topology, group: Group) -> int:
    """MiB that one worker of the group takes when every child is as large as it may become."""
    per_slot = group.max_memory_per_child or SHARED_SLOT_MEMORY
    return slots(topology, group) * per_slot + PARENT_MEMORY


def database_connections(topology: Topology) -> dict[str, int]:
    """Connections at full load, by who holds them."""
    held = {name: workers(group) * slots(topology, group) for name, group in topology.groups.items()}
    held["web"] = topology.web.hosts * topology.web.processes * topology.web.threads
    held["beat"] = topology.beat.hosts
    held["relay"] = topology.relay.hosts * RELAY_DATABASE_CONNECTIONS
    held["reserved"] = topology.database.reserved
    return held


def broker_connections(topology: Topology) -> dict[str, int]:
    """Connections at full load, by who holds them: each slot and each web thread may publish at the same time.

    One more for each process, which looks how much waits in the queues.
    """
    held = {
        name: workers(group) * (BROKER_CONNECTIONS_PER_WORKER + _senders(topology, group))
        for name, group in topology.groups.items()
    }
    web = topology.web
    held["web"] = web.hosts * web.processes * (web.threads * PUBLISHERS + 1)
    held["beat"] = topology.beat.hosts
    held["relay"] = topology.relay.hosts * RELAY_BROKER_CONNECTIONS
    return held


def _senders(topology: Topology, group: Group) -> int:
    in_one = slots(topology, group)
    return in_one * PUBLISHERS + (in_one if group.pool == "prefork" else 1)
