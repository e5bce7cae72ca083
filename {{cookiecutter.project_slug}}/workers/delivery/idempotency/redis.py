"""Claims in Redis, at LOCK_URL: cheaper than the database, and weaker.

A fail-over may forget a claim that was taken, or noted as done, in the second before it: another holder may then do the
work once more. The old holder's token is the lower one, but nothing in here can keep it from what it does elsewhere.
What must be done once belongs in the database.
"""

import os
from functools import cache
from typing import Any, Final, cast

from django.core.exceptions import ImproperlyConfigured
from redis import Redis
from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004 - the client's own, not Python's

from config.env import environment
from workers.brokers.redis.client import client
from workers.delivery.idempotency.stores import Answer, Busy, Done, Holder, Taken
from workers.derive import redis, sentinel
from workers.topology import topology

#: Takes the claim KEYS[1] for ARGV: name, task id, losses, lease in milliseconds. A key that is there is held or done:
#: the lease and the keeping of results are Redis' own expiry. Who asks twice, because an answer was lost, has it.
TAKE: Final = """
local held = redis.call('HMGET', KEYS[1], 'state', 'name', 'task', 'losses', 'token', 'tries', 'result')
local state = held[1]
if state == 'done' then return {'done', held[7]} end
if state == 'running' and held[2] == ARGV[1] then return {'taken', held[5], held[6]} end
local reaped = held[3] == ARGV[2] and tonumber(ARGV[3]) > tonumber(held[4] or 0)
if state == 'running' and not reaped then return {'busy', redis.call('PTTL', KEYS[1])} end
local now = redis.call('TIME')
local token = math.max(now[1] * 1000000 + now[2], tonumber(held[5] or 0) + 1)
local tries = tonumber(held[6] or 0) + 1
redis.call('HSET', KEYS[1], 'state', 'running', 'name', ARGV[1], 'task', ARGV[2], 'losses', ARGV[3],
    'token', string.format('%.0f', token), 'tries', tries, 'result', '')
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {'taken', string.format('%.0f', token), tries}
"""

#: Ends the claim KEYS[1] of the holder whose token is ARGV[1]: new state, result, milliseconds to keep it. Whoever asks
#: twice, because an answer was lost, gets the same answer.
END: Final = """
local held = redis.call('HMGET', KEYS[1], 'token', 'state', 'result')
if held[1] ~= ARGV[1] then return 0 end
if held[2] == 'running' then
    redis.call('HSET', KEYS[1], 'state', ARGV[2], 'result', ARGV[3])
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
    return 1
end
return held[2] == ARGV[2] and held[3] == ARGV[3] and 1 or 0
"""

#: Seconds; a task waits no longer for its claim, and comes back later.
TIMEOUTS: Final = {"socket_connect_timeout": 1, "socket_timeout": 2}


class RedisStore:
    """The store for what may, once in a long while, be done twice. Times are the Redis server's."""

    away: tuple[type[Exception], ...] = (ConnectionError, TimeoutError)

    def take(self, key: str, holder: Holder, lease: float) -> Answer:
        """See Store."""
        given = [holder.name, holder.task_id, holder.losses, _milliseconds(lease)]
        what, *rest = self._run(TAKE, key, given)
        if what == b"done":
            return Done(rest[0].decode())
        if what == b"busy":
            return Busy(max(int(rest[0]), 0) / 1000)
        return Taken(int(rest[0]), int(rest[1]))

    def complete(self, key: str, token: int, result: str, ttl: float) -> bool:
        """See Store."""
        return bool(self._run(END, key, [token, "done", result, _milliseconds(ttl)]))

    def fail(self, key: str, token: int, ttl: float) -> bool:
        """See Store."""
        return bool(self._run(END, key, [token, "failed", "", _milliseconds(ttl)]))

    def verify(self, key: str, token: int) -> bool:
        """See Store. A look, no lock: it may be lost a moment later."""
        state, held = cast("list[bytes | None]", _client(os.getpid()).hmget(_name(key), "state", "token"))
        return state == b"running" and held == str(token).encode()

    def _run(self, script: str, key: str, given: list[Any]) -> Any:
        return _client(os.getpid()).register_script(script)(keys=[_name(key)], args=given)


@cache
def _client(_pid: int) -> Redis:
    env = environment()
    url = env.lock_url.get_secret_value()
    if url.startswith("memory:"):
        raise ImproperlyConfigured(f"LOCK_URL={url} holds no claims: set it to a Redis, or use store='database'")
    sentinels = sentinel.arguments(env.sentinels, env.tls_ca_file) if redis.is_sentinel(url) else None
    return client(url, sentinels, variable="LOCK_URL", **TIMEOUTS, **(redis.tls(url, env.tls_ca_file) or {}))


def _name(key: str) -> str:
    return f"{topology().project}:claim:{key}"


def _milliseconds(seconds: float) -> int:
    return max(int(seconds * 1000), 1)
