"""The cache: Redis, by itself or behind Sentinel, as CACHE_URL's scheme says."""

from typing import Any

from config.env import Environment
from workers.derive import sentinel
from workers.derive.redis import is_sentinel, tls

TIMEOUTS = {"socket_connect_timeout": 2, "socket_timeout": 2}  # seconds: a page is better slow than hanging
PATIENCE = 5  # seconds: a fail-over passes unseen, and a longer outage is an error at once


def cache_options(env: Environment) -> dict[str, Any]:
    """`CACHES["default"]`."""
    url = env.cache_url.get_secret_value()
    if url.startswith("locmem:"):
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    connections: dict[str, Any] = {**TIMEOUTS, **(tls(url, env.tls_ca_file) or {})}
    if not is_sentinel(url):
        return _redis(url, {"CONNECTION_POOL_KWARGS": connections})
    options = {
        "CONNECTION_FACTORY": "workers.brokers.redis.cache.PrimaryConnectionFactory",
        "CONNECTION_POOL_KWARGS": {**connections, "patience": PATIENCE},
        "SENTINELS": sentinel.arguments(env.sentinels, env.tls_ca_file),
    }
    return _redis(url, options)


def _redis(location: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location, "OPTIONS": options}
