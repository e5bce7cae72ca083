"""How a client connects to Redis: one that a URL names, or the primary behind Sentinels."""

import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from workers.derive.sentinel import SCHEME
from workers.topology import Topology
from workers.topology.budgets import visibility_timeout

#: Seconds to open a connection to a Redis that a URL names; kombu passes None: wait for ever (trap 13).
CONNECT_TIMEOUT: Final = 5
#: Seconds a command may take there. Above BRPOP's 1 s poll and below what an operator would call a hang.
SOCKET_TIMEOUT: Final = 30
#: Seconds between probes of an idle connection there; below the minutes after which firewalls forget it.
HEALTH_CHECK_INTERVAL: Final = 25
#: The same behind Sentinels, where a silent primary has a successor: a consumer that got no answer to its BRPOP, which
#: takes one second, for one more looks for it. The time-outs are in workers/brokers/redis/connection.py.
SENTINEL_HEALTH_CHECK_INTERVAL: Final = 1
#: Seconds that storing or reading a result may take: to connect, and for an answer. Short, because what is late is kept
#: elsewhere; Redis holds writes for up to 2 s while a slow disk synchronises its file, and then both have it.
RESULT_CONNECT_TIMEOUT: Final = 0.5
RESULT_TIMEOUT: Final = 1.0
#: Where results go: Celery's own backends, with bounded waits and a store to fall back on.
RESULT_BACKENDS: Final = dict.fromkeys(("redis", "rediss"), "Backend") | {SCHEME: "SentinelBackend"}

#: How a publish that fails is tried again. Behind Sentinels opening a connection waits for the primary by itself.
PUBLISH_RETRY_POLICY: Final = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}


def is_sentinel(url: str) -> bool:
    """Whether `url` names a primary that Sentinels know."""
    return urlsplit(url).scheme == SCHEME


def transport_options(topology: Topology, broker_url: str) -> dict[str, Any]:
    """Celery's `broker_transport_options`."""
    common = {
        "visibility_timeout": visibility_timeout(topology),  # the same in every process: the shortest wins (trap 11)
        "unacked_restore_throttle": 1,  # sweep every 10 s for tasks of lost workers, not every 100 (trap 12)
        "queue_order_strategy": "priority",
        "global_keyprefix": f"{topology.project}:",
    }
    if is_sentinel(broker_url):
        return {**common, "health_check_interval": SENTINEL_HEALTH_CHECK_INTERVAL}
    return {
        **common,
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_keepalive": True,
        "health_check_interval": HEALTH_CHECK_INTERVAL,
    }


def result_settings(url: str) -> dict[str, Any]:
    """Where results go, and how long their Redis may keep a task waiting."""
    backend = RESULT_BACKENDS.get(urlsplit(url).scheme)
    return {
        "result_backend": f"workers.brokers.redis.results:{backend}+{url}" if backend else url,
        "redis_backend_health_check_interval": SENTINEL_HEALTH_CHECK_INTERVAL
        if is_sentinel(url)
        else HEALTH_CHECK_INTERVAL,
        "redis_socket_timeout": RESULT_TIMEOUT,  # every wait is bounded (trap 13)
        "redis_socket_connect_timeout": RESULT_CONNECT_TIMEOUT,
        "redis_socket_keepalive": True,
    }


def tls(url: str, ca_file: Path | None) -> dict[str, Any] | None:
    """The TLS options of a connection to `url`, or None for plain text; certificate and name are verified."""
    if urlsplit(url).scheme != "rediss" and not (is_sentinel(url) and ca_file):
        return None
    authority = {"ssl_ca_certs": str(ca_file)} if ca_file else {}
    return {"ssl_cert_reqs": ssl.CERT_REQUIRED, **authority}
