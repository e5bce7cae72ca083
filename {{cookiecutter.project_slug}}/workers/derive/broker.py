"""Connection settings by the scheme of a URL: the same code runs on RabbitMQ and on Redis."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workers.derive import rabbitmq, redis
from workers.topology import Topology


def scheme(url: str) -> str:
    """The scheme of the first of the `;`-separated URLs."""
    return urlsplit(url.partition(";")[0]).scheme


def is_rabbitmq(url: str) -> bool:
    """Whether `url` names a RabbitMQ (amqp or amqps)."""
    return scheme(url) in ("amqp", "amqps", "pyamqp")


def connect_timeout(url: str) -> float:
    """Seconds to open a connection to the broker behind `url`."""
    return rabbitmq.CONNECT_TIMEOUT if is_rabbitmq(url) else redis.CONNECT_TIMEOUT


def transport_options(topology: Topology, broker_url: str) -> dict[str, Any]:
    """Celery's `broker_transport_options`."""
    if is_rabbitmq(broker_url):
        return rabbitmq.transport_options()
    return redis.transport_options(topology, broker_url)


def publish_retry_policy(url: str) -> dict[str, Any]:
    """Celery's `task_publish_retry_policy`."""
    return rabbitmq.PUBLISH_RETRY_POLICY if is_rabbitmq(url) else redis.PUBLISH_RETRY_POLICY


def tls(url: str, ca_file: Path | None) -> dict[str, Any] | None:
    """The TLS options of a connection to `url`, or None for plain text; the peer's certificate is always verified."""
    if is_rabbitmq(url):
        return rabbitmq.tls(ca_file) if scheme(url) == "amqps" else None
    return redis.tls(url, ca_file)
