"""Django's cache on connections that bear a fail-over."""

from typing import Any

from django_redis.pool import ConnectionFactory
from redis import ConnectionPool

from workers.brokers.redis.client import pool


class PrimaryConnectionFactory(ConnectionFactory):
    """django-redis' factory for a LOCATION behind Sentinels; OPTIONS["SENTINELS"] are the arguments of Sentinels."""

    def get_connection_pool(self, params: dict[str, Any]) -> ConnectionPool:
        """One pool a process and LOCATION."""
        return pool(params["url"], self.options["SENTINELS"], variable="CACHE_URL", **self.pool_cls_kwargs)
