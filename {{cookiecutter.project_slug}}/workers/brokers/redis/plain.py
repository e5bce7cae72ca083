"""Kombu's transport for a Redis that a URL names, whose messages are never on their way to nobody."""

from kombu.transport import redis

from workers.brokers.redis.taking import Taking


class Transport(redis.Transport):
    """One Redis, for a laptop or a small installation."""

    Channel = Taking
