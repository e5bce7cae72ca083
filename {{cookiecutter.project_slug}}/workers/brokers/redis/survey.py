"""Looks at Redis and its Sentinels: every server asked for itself, all at once, so that a dead one holds up nobody."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

#: Seconds to connect to a server, and to wait for its answer.
TIMEOUT: Final = 1.0
_ONCE: Final[dict[str, Any]] = {
    "socket_timeout": TIMEOUT,
    "socket_connect_timeout": TIMEOUT,
    "retry": Retry(NoBackoff(), 0),
}

Address = tuple[str, int]


@dataclass(frozen=True)
class Watcher:
    """A Sentinel, and what it says of one primary."""

    address: str
    error: str = ""  # why it says nothing
    primary: Address | None = None
    epoch: int = 0
    is_down: bool = False
    others: int = 0  # Sentinels it knows besides itself
    quorum: str = ""  # empty: there is one; or why not
    replicas: tuple[Address, ...] = ()


@dataclass(frozen=True)
class Server:
    """A Redis server: its INFO, or why there is none."""

    address: str
    info: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def is_primary(self) -> bool:
        """Whether it takes itself for one."""
        return bool(self.info.get("role") == "master")


@dataclass(frozen=True)
class Survey:
    """What was seen of the servers behind one URL."""

    name: str  # the primary's name, or host and port where there are no Sentinels
    servers: tuple[Server, ...]
    watchers: tuple[Watcher, ...] = ()

    @property
    def primary(self) -> Server | None:
        """The server that the newest fail-over made primary, if it answers; without Sentinels the only one."""
        told = [watcher for watcher in self.watchers if watcher.primary]
        if not self.watchers:
            return next((server for server in self.servers if not server.error), None)
        if not told:
            return None
        address = _written(max(told, key=lambda watcher: watcher.epoch).primary)
        return next((server for server in self.servers if server.address == address and not server.error), None)


def survey(url: str, sentinels: Mapping[str, Any] | None, ca_file: str | None) -> Survey:
    """Ask everybody behind `url`; takes about twice TIMEOUT at most. `sentinels`: arguments of Sentinels."""
    parts = urlsplit(url)
    login = {"username": unquote(parts.username or "") or None, "password": unquote(parts.password or "") or None}
    encrypted = parts.scheme == "rediss" or bool(sentinels and ca_file)
    tls = {"ssl": True, **({"ssl_ca_certs": ca_file} if ca_file else {})} if encrypted else {}
    if sentinels is None:
        address = (parts.hostname or "", parts.port or 6379)
        return Survey(_written(address), (_server(address, {**login, **tls}),))
    name, own = parts.hostname or "", {"username": sentinels["username"], "password": sentinels["password"], **tls}
    with ThreadPoolExecutor(16, thread_name_prefix="survey") as pool:
        watchers = tuple(pool.map(lambda address: _watcher(address, name, own), sentinels["addresses"]))
        known = {address for watcher in watchers for address in (watcher.primary, *watcher.replicas) if address}
        servers = tuple(pool.map(lambda address: _server(address, {**login, **tls}), sorted(known)))
    return Survey(name, servers, watchers)


def _server(address: Address, options: Mapping[str, Any]) -> Server:
    try:
        with Redis(*address, **{**_ONCE, **options}) as client:
            return Server(_written(address), client.info())
    except (RedisError, OSError) as error:
        return Server(_written(address), error=str(error))


def _watcher(address: Address, name: str, options: Mapping[str, Any]) -> Watcher:
    try:
        with Redis(*address, **{**_ONCE, **options}, decode_responses=True) as client:
            state: Any = client.sentinel_masters()
            if name not in state:
                return Watcher(_written(address), error=f"watches over no {name!r}, only {', '.join(sorted(state))}")
            state = state[name]
            replicas: Any = client.sentinel_slaves(name)
            return Watcher(
                _written(address),
                primary=(state["ip"], state["port"]),
                epoch=state["config-epoch"],
                is_down=state["is_sdown"] or state["is_odown"],
                others=state["num-other-sentinels"],
                quorum=_quorum(client, name),
                replicas=tuple((replica["ip"], replica["port"]) for replica in replicas),
            )
    except (RedisError, OSError) as error:
        return Watcher(_written(address), error=str(error))


def _quorum(client: "Redis", name: str) -> str:
    try:
        client.execute_command("SENTINEL CKQUORUM", name)
    except RedisError as error:
        return str(error)
    return ""


def _written(address: Address | None) -> str:
    return f"{address[0]}:{address[1]}" if address else ""
