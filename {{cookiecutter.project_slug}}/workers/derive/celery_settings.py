"""Celery's settings: the same for the web, every worker and beat, so that producers know the queues, too (trap 4).

What differs between groups is on the worker's command line (`command_line.py`) or on the task (`task_options.py`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workers.delivery.connections import NEVER
from workers.derive import broker, redis, routes, sentinel
from workers.derive.queues import EXCHANGE, queues
from workers.derive.task_options import GroupOptions
from workers.topology import Group, Topology

#: Seconds after which a lost peer is noticed; two missed heartbeats end a connection.
BROKER_HEARTBEAT: Final = 10
#: Seconds a result is kept, a failure's as well. A day: long enough for the chord and the page that asks for it; what
#: somebody has to look at stays longer, as a dead letter.
RESULT_EXPIRES: Final = 24 * 3600


@dataclass(frozen=True)
class Links:
    """Where this process finds its broker and stores; URLs carry their passwords, so an instance is never logged."""

    broker_url: str
    result_url: str
    lock_url: str
    ca_file: Path | None = None
    sentinel_url: str = ""
    fallback_url: str = ""

    def sentinels(self, url: str) -> dict[str, Any]:
        """The transport's option that says whom to ask for the primary in `url`; none where nobody has to be asked."""
        return {"sentinels": sentinel.arguments(self.sentinel_url, self.ca_file)} if redis.is_sentinel(url) else {}


def celery_settings(topology: Topology, links: Links, *, events: bool, timezone: str) -> dict[str, Any]:
    """All settings of the application. `events`: send task events for Flower; they cost 40 % of throughput."""
    return {
        **_messages(events=events),
        **_broker(topology, links),
        **_queues(topology, links.broker_url),
        **_results(topology, links),
        **_workers(),
        **_beat(),
        "timezone": timezone,
        "CELERY_DB_REUSE_MAX": NEVER,  # Django looks after the connections instead
    }


def group_settings(group: Group) -> dict[str, Any]:
    """What a worker of `group` sets on top, where Celery has no command-line option for it."""
    shared_memory = group.pool in ("threads", "gevent") and isinstance(group.concurrency, int)
    pool_limit = {"broker_pool_limit": group.concurrency} if shared_memory else {}  # one publisher a slot (default 10)
    return {"worker_soft_shutdown_timeout": group.soft_shutdown, **pool_limit}


def _messages(*, events: bool) -> dict[str, Any]:
    return {
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],  # a pickle in a queue is code that runs
        "result_accept_content": ["json"],
        "task_ignore_result": True,  # a result nobody reads costs a third of the throughput; ask for it task by task
        "worker_send_task_events": events,
        "task_send_sent_event": events,
        "task_store_errors_even_if_ignored": True,
    }


def _broker(topology: Topology, links: Links) -> dict[str, Any]:
    return {
        "broker_url": links.broker_url,
        "broker_use_ssl": broker.tls(links.broker_url, links.ca_file),
        "broker_transport_options": {
            **broker.transport_options(topology, links.broker_url),
            **links.sentinels(links.broker_url),
        },
        "broker_heartbeat": BROKER_HEARTBEAT,
        "task_publish_retry_policy": broker.publish_retry_policy(links.broker_url),
        "broker_connection_timeout": broker.connect_timeout(links.broker_url),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # for ever, with back-off: nobody has to restart it at night
        "broker_channel_error_retry": True,  # or a channel closed by the broker leaves it deaf (trap 6)
        "broker_pool_acquire_timeout": 10,
    }


def _queues(topology: Topology, broker_url: str) -> dict[str, Any]:
    return {
        "task_queues": queues(topology, broker_url),
        "task_routes": routes.routes(topology),
        "task_default_queue": routes.default_queue(topology),
        "task_default_exchange": EXCHANGE,
        "task_default_exchange_type": "topic",
        "task_create_missing_queues": False,  # a misspelt queue is an error, not a new queue that nobody consumes
        "task_annotations": [GroupOptions(topology)],
    }


def _results(topology: Topology, links: Links) -> dict[str, Any]:
    ca_file = str(links.ca_file) if links.ca_file else None
    fallback = {"url": links.fallback_url, "project": topology.project, "ca_file": ca_file}
    return {
        **redis.result_settings(links.result_url),
        "result_backend_transport_options": {**links.sentinels(links.result_url), "fallback": fallback},
        "redis_backend_use_ssl": redis.tls(links.result_url, links.ca_file),
        "result_expires": RESULT_EXPIRES,
        "result_extended": True,
    }


def _workers() -> dict[str, Any]:
    return {
        "worker_consumer": "workers.steps.consumer:Consumer",
        "worker_cancel_long_running_tasks_on_connection_loss": True,  # their messages are redelivered
        "worker_hijack_root_logger": False,  # telemetry configures logging
        "worker_redirect_stdouts": False,
        "worker_proc_alive_timeout": 30,  # a spawned child imports the application first; the default is 4 s
        "worker_eta_task_limit": 10_000,  # tasks with a countdown are held in memory; no flood of them ends a worker
    }


def _beat() -> dict[str, Any]:
    return {"beat_scheduler": "workers.beat.scheduler:SlotScheduler"}  # two may run: it holds a lease
