"""Connection settings by the scheme of a URL: the same code runs on RabbitMQ and on Redis."""

import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from workers.derive import sentinel
from workers.topology import Topology
from workers.topology.budgets import visibility_timeout

#: Seconds to open a connection; kombu's default for AMQP is 4, and for Redis it passes None: wait for ever (trap 13).
CONNECT_TIMEOUT: Final = 5
#: Seconds a Redis command may take. Above BRPOP's 1 s poll and below what an operator would call a hang.
SOCKET_TIMEOUT: Final = 30
#: Seconds between probes of an idle Redis connection; below the minutes after which firewalls forget it.
HEALTH_CHECK_INTERVAL: Final = 25


def scheme(url: str) -> str:
    """The scheme of the first of the `;`-separated URLs."""
    return urlsplit(url.partition(";")[0]).scheme


def is_rabbitmq(url: str) -> bool:
    """Whether `url` names a RabbitMQ (amqp or amqps)."""
    return scheme(url) in ("amqp", "amqps", "pyamqp")


def is_sentinel(url: str) -> bool:
    """Whether `url` names Sentinels, who know the primary."""
    return scheme(url) == sentinel.SCHEME


def transport_options(topology: Topology, broker_url: str) -> dict[str, Any]:
    """Celery's `broker_transport_options`."""
    if is_rabbitmq(broker_url):
        return {"confirm_publish": True}  # an unconfirmed message may be lost by any broker
    return {
        "visibility_timeout": visibility_timeout(topology),  # the same in every process: the shortest wins (trap 11)
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_keepalive": True,
        "health_check_interval": HEALTH_CHECK_INTERVAL,
        "unacked_restore_throttle": 1,  # sweep every 10 s for tasks of lost workers, not every 100 (trap 12)
        "queue_order_strategy": "priority",
        "global_keyprefix": f"{topology.project}:",
    }


def tls(url: str, ca_file: Path | None) -> dict[str, Any] | None:
    """The TLS options of a connection to `url`, or None for plain text; the peer's certificate is always verified."""
    if scheme(url) not in ("amqps", "rediss") and not (is_sentinel(url) and ca_file):
        return None
    authority = {"ca_certs": str(ca_file)} if ca_file else {}
    if is_rabbitmq(url):
        # py-amqp checks the name only when it is given one (trap 15).
        return {
            "cert_reqs": ssl.CERT_REQUIRED,
            "server_hostname": urlsplit(url.partition(";")[0]).hostname,
            **authority,
        }
    return {"ssl_cert_reqs": ssl.CERT_REQUIRED, **{f"ssl_{key}": value for key, value in authority.items()}}
