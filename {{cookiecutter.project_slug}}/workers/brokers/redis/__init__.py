"""Redis as the broker, the store of results and the cache: how its primary is found, and how it fares."""

from kombu.transport import TRANSPORT_ALIASES


def register() -> None:
    """Make kombu use our transport for sentinel: URLs; it is imported with the first of them."""
    TRANSPORT_ALIASES["sentinel"] = "workers.brokers.redis.transport:Transport"
