"""The cache: Redis, by itself or behind Sentinel, as CACHE_URL's scheme says."""

from typing import Any
from urllib.parse import SplitResult, unquote

from redis.backoff import NoBackoff
from redis.retry import Retry

from config.env import Environment, urls

TIMEOUTS = {"socket_connect_timeout": 2, "socket_timeout": 2}  # seconds: a page is better slow than hanging


def cache_options(env: Environment) -> dict[str, Any]:
    """`CACHES["default"]`."""
    nodes = urls(env.cache_url)
    if nodes[0].scheme == "locmem":
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    if nodes[0].scheme == "sentinel":
        return _redis(f"redis://{env.sentinel_master}{nodes[0].path or '/0'}", _sentinel(nodes, env))
    tls = {"ssl_ca_certs": str(env.tls_ca_file)} if env.tls_ca_file and nodes[0].scheme == "rediss" else {}
    return _redis(env.cache_url.get_secret_value(), {"CONNECTION_POOL_KWARGS": {**TIMEOUTS, **tls}})


def _sentinel(nodes: list[SplitResult], env: Environment) -> dict[str, Any]:
    """Ask the Sentinels who is primary; read there too, since a replica may lag behind what was just written."""
    connection: dict[str, Any] = dict(TIMEOUTS)
    if env.tls_ca_file:
        connection |= {"ssl": True, "ssl_ca_certs": str(env.tls_ca_file)}
    if nodes[0].username:
        connection["username"] = unquote(nodes[0].username)
    if nodes[0].password:
        connection["password"] = unquote(nodes[0].password)
    return {
        "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
        "SENTINELS": [(node.hostname, node.port or 26379) for node in nodes],
        "SENTINEL_KWARGS": {**connection, "retry": Retry(NoBackoff(), 0)},  # the next Sentinel is the second try
        "CONNECTION_POOL_KWARGS": connection,
    }


def _redis(location: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location, "OPTIONS": options}
