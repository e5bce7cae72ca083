"""Kombu's transport for a Redis that a URL names, whose messages count how often they came back."""

from kombu.transport import redis

from workers.brokers.redis.messages import Tolerant


class Channel(Tolerant, redis.Channel):
    """A channel to one Redis."""


class Transport(redis.Transport):
    """One Redis, for a laptop or a small installation."""

    Channel = Channel
