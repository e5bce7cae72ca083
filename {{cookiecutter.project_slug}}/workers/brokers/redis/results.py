"""Celery's store of results, on connections that bear a fail-over.

`result_backend` names it: workers.brokers.redis.results:Backend+sentinel://...
"""

from typing import Any

from celery.backends.redis import SentinelBackend
from redis.sentinel import SentinelConnectionPool

from workers.brokers.redis.connection import PrimaryTLSConnection, primary_pool
from workers.brokers.redis.sentinels import Sentinels


class Backend(SentinelBackend):
    """Results in Redis behind Sentinels. The URL's host name is the name of the primary."""

    connection_class_ssl = PrimaryTLSConnection

    def _get_pool(self, **options: Any) -> SentinelConnectionPool:
        name = options.pop("hosts")[0]["host"]
        sentinels = Sentinels(**self._transport_options["sentinels"], variable="RESULT_URL")
        return primary_pool(name, sentinels, variable="RESULT_URL", **options)
