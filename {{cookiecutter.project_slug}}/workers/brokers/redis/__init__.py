"""Redis as the broker, the store of results and the cache: how its primary is found, and how it fares."""

from kombu.transport import TRANSPORT_ALIASES


def register() -> None:
    """Make kombu use our transports; each is imported with the first URL of its scheme."""
    TRANSPORT_ALIASES["sentinel"] = "workers.brokers.redis.transport:Transport"
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "workers.brokers.redis.plain:Transport"))
