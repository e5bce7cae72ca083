"""A client of the Redis that a URL names, for whoever is not Celery: cache, locks, probes, the operator's commands."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from redis import ConnectionPool, Redis

from workers.brokers.redis.connection import primary_pool
from workers.brokers.redis.sentinels import Sentinels
from workers.derive.redis import is_sentinel


def client(url: str, sentinels: Mapping[str, Any] | None, **options: Any) -> "Redis":
    """A client on a pool of its own; arguments as for `pool`."""
    return Redis.from_pool(pool(url, sentinels, **options))


def pool(url: str, sentinels: Mapping[str, Any] | None, *, variable: str = "", **options: Any) -> ConnectionPool:
    """Connections to the Redis behind `url`, none of them opened yet; they bear a fail-over where Sentinels name it.

    `sentinels`: arguments of Sentinels, if there are any. `variable`: where `url` stands, for messages. `options` are
    redis-py's, for connections.
    """
    if sentinels is None or not is_sentinel(url):
        return ConnectionPool.from_url(url, **options)
    parts = urlsplit(url)
    place = {
        "username": unquote(parts.username or "") or None,
        "password": unquote(parts.password or "") or None,
        "db": int(parts.path.strip("/") or 0),
        "variable": variable,
    }
    return primary_pool(parts.hostname or "", Sentinels(**sentinels, variable=variable), **{**options, **place})
