"""RabbitMQ at a glance: for `workers brokers status`."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from config.env import Environment
from workers.brokers.rabbitmq import admin
from workers.brokers.rabbitmq.judgement import clearest, judge, leaders
from workers.brokers.rabbitmq.survey import View, survey
from workers.brokers.report import Report, Table
from workers.derive.broker import is_rabbitmq
from workers.derive.virtual_host import dead_queue, declared
from workers.topology import Topology

#: The queues through which tasks with a countdown pass, those of all groups together.
DELAYED: Final = "celery_delayed_"
_MIB: Final = 2**20

Row = tuple[str | int | None, ...]


def look(env: Environment, topology: Topology) -> list[Report]:
    """A report where the environment names a RabbitMQ; takes three seconds at most, whichever node is dead.

    Raises ImproperlyConfigured where the management API is not known.
    """
    if not is_rabbitmq(env.broker_url.get_secret_value()):
        return []
    name, wanted = admin.virtual_host(env), declared(topology)
    views = survey(admin.api(env), name, wanted)
    best = clearest(views)
    product = f"RabbitMQ {best.version}" if best else "RabbitMQ"
    report = Report(f"BROKER_URL: {product}, virtual host {name}")
    report.findings += judge(views, topology, wanted, alone=env.is_local)
    if best and best.nodes is not None:
        report.tables.append(_nodes(best))
    if best and best.queues is not None:
        report.tables.append(queues_table(best, topology))
    return [report]


def _nodes(view: View) -> Table:
    leads = leaders(view)
    columns = ("node", "state", "leads", "MiB", "of", "disk free MiB", "reserve")
    return Table("nodes", columns, [_node(found, leads) for found in view.nodes or ()])


def _node(found: Mapping[str, Any], leads: Mapping[str, int]) -> Row:
    name = found["name"]
    if not found.get("running"):
        return (name, "not running", *(None,) * 5)
    sizes = (found.get(key) for key in ("mem_used", "mem_limit", "disk_free", "disk_free_limit"))
    # A node that was lost a moment ago still counts as running, without figures.
    return (name, "running", leads.get(name), *(size // _MIB if isinstance(size, int) else None for size in sizes))


def queues_table(view: View, topology: Topology) -> Table:
    """Each group's queue; what waits for its time waits in queues that all groups share."""
    queues = {queue["name"]: queue for queue in view.queues or ()}
    columns = ("queue", "ready", "unacked", "delayed", "dead", "consumers", "members online", "leader")

    def rows() -> Iterator[Row]:
        for name in topology.groups:
            queue, dead = queues.get(name, {}), queues.get(dead_queue(name), {})
            ready, unacked = queue.get("messages_ready"), queue.get("messages_unacknowledged")
            counts = (ready, unacked, None, dead.get("messages_ready"), queue.get("consumers"))
            yield (name, *counts, _online(queue), queue.get("leader"))
        delayed = [queue for name, queue in queues.items() if name.startswith(DELAYED)]
        # What is on its way from one of them to the next counts as unacknowledged.
        states = ("messages_ready", "messages_unacknowledged", "messages_dlx")
        waiting = sum(queue.get(state, 0) for queue in delayed for state in states)
        yield ("with a countdown, all", None, None, waiting, None, None, None, None)

    return Table("queues", columns, list(rows()))


def _online(queue: Mapping[str, Any]) -> str | None:
    return f"{len(queue.get('online', ()))} of {len(queue['members'])}" if "members" in queue else None
