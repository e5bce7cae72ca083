"""The cache: Redis, by itself or behind Sentinel, as CACHE_URL's scheme says."""

from typing import Any

from config.env import Environment, urls

TIMEOUTS = {"socket_connect_timeout": 2, "socket_timeout": 2}  # seconds: a page is better slow than hanging


def cache_options(env: Environment) -> dict[str, Any]:
    """`CACHES["default"]`."""
    nodes = urls(env.cache_url)
    if nodes[0].scheme == "locmem":
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    tls = {"ssl_ca_certs": str(env.tls_ca_file)} if env.tls_ca_file else {}
    if nodes[0].scheme != "sentinel":
        pool = {**TIMEOUTS, **(tls if nodes[0].scheme == "rediss" else {})}
        return _redis(env.cache_url.get_secret_value(), {"CONNECTION_POOL_KWARGS": pool})
    encrypted = {"ssl": True, **tls} if tls else {}
    options = {
        "CLIENT_CLASS": "django_redis.client.SentinelClient",
        "CONNECTION_POOL_CLASS": "redis.sentinel.SentinelConnectionPool",
        "SENTINELS": [(node.hostname, node.port or 26379) for node in nodes],
        "SENTINEL_KWARGS": {"password": nodes[0].password, **TIMEOUTS, **encrypted},
        "PASSWORD": nodes[0].password,
        "CONNECTION_POOL_KWARGS": {**TIMEOUTS, **encrypted},
    }
    return _redis(f"redis://{env.sentinel_master}{nodes[0].path or '/0'}", options)


def _redis(location: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location, "OPTIONS": options}
