"""What is wrong with a Redis that was looked at, how bad it is, and what to do."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from workers.brokers.redis.survey import Server, Survey
from workers.brokers.report import Finding, Severity

#: Kombu needs commands of this version.
OLDEST: Final = (6, 2)
#: Seconds for which a replica may be silent; as long it counts for min-replicas-to-write (ansible/roles/redis).
LAG: Final = 3
#: Shares of a limit from which on somebody should look, and has to act.
NEAR, FULL = 0.75, 0.9
_FAIL_OVER: Final = "a fail-over takes seconds; if it lasts, journalctl -u redis-sentinel on any host"
#: The name of the limit in INFO -> what is counted against it, and what happens at it.
_LIMITS: Final = {
    "maxmemory": ("used_memory", "memory", "then it refuses messages", "let workers catch up, or raise maxmemory"),
    "maxclients": (
        "connected_clients",
        "connections",
        "then it refuses clients",
        "raise maxclients; `workers show` says how many are needed",
    ),
}


def judge(found: Survey, *, keeps_work: bool) -> Iterator[Finding]:
    """Findings; `keeps_work`: nothing in there may be thrown away, as it may in a cache."""
    yield from _sentinels(found)
    yield from _replicas(found)
    if found.primary is None:
        yield _nobody(found)
        return
    yield from fitness(found.primary, keeps_work=keeps_work)
    yield from _limits(found.primary)
    yield from _disk(found.primary)
    if found.primary.info.get("min_slaves_good_slaves") == 0:
        at = found.primary.address
        yield _critical(
            at, "takes no writes: no replica keeps up with it", "look at the replicas below, and at their links"
        )


def fitness(server: Server, *, keeps_work: bool) -> Iterator[Finding]:
    """Whether its version and settings suit their use: what a deploy asks before anything starts."""
    info, at = server.info, server.address
    version = tuple(int(part) for part in str(info.get("redis_version", "0.0")).split(".")[:2])
    if version < OLDEST:
        yield _critical(at, f"is version {info.get('redis_version')}; kombu needs 6.2 or later", "install a later one")
    policy = info.get("maxmemory_policy", "noeviction")
    if keeps_work and policy != "noeviction":
        cure = "set maxmemory-policy noeviction: an evicted message is a lost task"
        yield _critical(at, f"throws away what it holds when its memory is full ({policy})", cure)
    if not keeps_work and policy == "noeviction":
        cure = "set maxmemory-policy allkeys-lfu"
        yield _warning(at, "is a cache that refuses writes when its memory is full (noeviction)", cure)
    if keeps_work and not info.get("aof_enabled"):
        cure = "set appendonly yes: a restart loses all that waits"
        yield _warning(at, "keeps no append-only file", cure)


def _sentinels(found: Survey) -> Iterator[Finding]:
    for watcher in found.watchers:
        if watcher.error:
            cure = "systemctl status redis-sentinel there; SENTINEL_URL has its address"
            yield _warning(watcher.address, f"this Sentinel does not answer: {watcher.error}", cure)
        elif watcher.quorum:
            yield _warning(watcher.address, f"could not fail over: {watcher.quorum}", "bring the other Sentinels back")
        elif watcher.is_down:
            yield _critical(watcher.address, f"takes the primary of {found.name} for down", _FAIL_OVER)
    told = {watcher.primary for watcher in found.watchers if watcher.primary}
    if len(told) > 1:
        named = ", ".join(sorted(f"{address[0]}:{address[1]}" for address in told if address))
        yield _warning(
            found.name, f"the Sentinels disagree about the primary: {named}", "a fail-over takes seconds; look again"
        )
    if found.watchers and all(watcher.error for watcher in found.watchers):
        yield _critical(found.name, "no Sentinel answers", "look at SENTINEL_URL, then at the hosts it names")


def _replicas(found: Survey) -> Iterator[Finding]:
    for server in found.servers:
        if server.error and found.watchers:
            cure = "look at the host, then at systemctl status of its server"
            yield _warning(server.address, f"does not answer: {server.error}", cure)
        elif found.watchers and found.primary and server.is_primary and server is not found.primary:
            cure = "a Sentinel turns it into a replica within seconds; look again"
            yield _warning(server.address, "takes itself for a primary as well", cure)
        elif server.info.get("master_link_status") == "down":
            cure = "look at its log for the reason; it could not take over"
            yield _warning(server.address, "is not connected to the primary", cure)
    for address, lag in lags(found.primary).items():
        if lag > LAG:
            yield _warning(
                address, f"is {lag} s behind the primary; expected {LAG} or less", "look at its disk and link"
            )


def lags(primary: Server | None) -> dict[str, int]:
    """Seconds since each replica of the primary reported to it."""
    replicas = [value for key, value in (primary.info if primary else {}).items() if _is_replica(key, value)]
    return {f"{replica['ip']}:{replica['port']}": int(replica.get("lag", 0)) for replica in replicas}


def _is_replica(key: str, value: object) -> bool:
    return key.startswith("slave") and key[5:].isdigit() and isinstance(value, dict)


def _limits(server: Server) -> Iterator[Finding]:
    for limit, (counted, what, consequence, cure) in _LIMITS.items():
        highest, now = int(server.info.get(limit) or 0), int(server.info.get(counted) or 0)
        if highest and now >= NEAR * highest:
            kind = _critical if now >= FULL * highest else _warning
            yield kind(server.address, f"{what} {now / highest:.0%} of {limit}; {consequence}", cure)
    if not server.info.get("maxmemory"):
        cure = "set maxmemory below what the host has"
        yield _warning(server.address, "has no limit of memory: the kernel would end it", cure)


def _disk(server: Server) -> Iterator[Finding]:
    info: Mapping[str, Any] = server.info
    if info.get("aof_enabled") and info.get("aof_last_write_status") != "ok":
        yield _critical(
            server.address, "cannot write its append-only file, and refuses writes", "free space on its disk"
        )
    if info.get("aof_enabled") and info.get("aof_last_bgrewrite_status") != "ok":
        cure = "look at its log; vm.overcommit_memory must be 1"
        yield _warning(server.address, "could not rewrite its append-only file, which grows", cure)


def _nobody(found: Survey) -> Finding:
    if found.watchers:
        return _critical(found.name, "no primary answers", _FAIL_OVER)
    cure = "start it (`make run` does on a developer's machine), or mend the URL"
    return _critical(found.name, f"does not answer: {found.servers[0].error.rstrip('.')}", cure)


def _critical(subject: str, message: str, cure: str) -> Finding:
    return Finding(Severity.CRITICAL, subject, message, cure)


def _warning(subject: str, message: str, cure: str) -> Finding:
    return Finding(Severity.WARNING, subject, message, cure)
