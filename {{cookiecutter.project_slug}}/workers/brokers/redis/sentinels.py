"""Asks the Sentinels who is primary, and believes the one that knows of the newest fail-over.

The client's own way (redis.sentinel) believes the first that answers. A Sentinel that is cut off together with the old
primary still names that one, and a client that reaches both stays there until the cut is mended.
"""

import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import Connection as PlainConnection
from redis.connection import ConnectionPool, SSLConnection
from redis.exceptions import AuthenticationError, ConnectionError, NoPermissionError, TimeoutError  # noqa: A004
from redis.retry import Retry

from workers.brokers.redis.outage import MisconfiguredError
from workers.brokers.redis.tls import Verified, refusal

#: Seconds a Sentinel may take to connect, and to answer. It answers within a millisecond.
SENTINEL_TIMEOUT: Final = 0.5
#: Seconds for which one that did not answer is asked only if the others are no majority.
SILENCE: Final = 10.0


class NoPrimaryError(ConnectionError):
    """There is no primary now; a fail-over may be on its way."""


class VerifiedConnection(Verified, SSLConnection):
    """A TLS connection to a Sentinel."""


class Primary(NamedTuple):
    """What one Sentinel says of a primary."""

    epoch: int  # the number of the fail-over that made it primary
    address: tuple[str, int]
    up: bool


class Sentinels:
    """The Sentinels of one cluster. An instance belongs to one connection pool, whose locks it relies on."""

    def __init__(  # noqa: PLR0913 - each of them is a fact about the Sentinels
        self,
        addresses: Sequence[tuple[str, int]],
        *,
        username: str | None = None,
        password: str | None = None,
        ca_file: str | None = None,
        timeout: float = SENTINEL_TIMEOUT,
        variable: str = "",
    ) -> None:
        """Nothing is asked yet. `variable` holds the URL in which a primary's name stands: for messages."""
        options: dict[str, Any] = {
            "username": username,
            "password": password,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "retry": Retry(NoBackoff(), 0),  # the next Sentinel is the second try; the default is 3 more, seconds apart
            "decode_responses": True,
        }
        if ca_file:
            options |= {"connection_class": VerifiedConnection, "ssl_ca_certs": ca_file}
        else:
            options |= {"connection_class": PlainConnection}
        self._variable = variable
        self._links = {
            f"{host}:{port}": Redis(connection_pool=ConnectionPool(host=host, port=port, **options))
            for host, port in addresses
        }

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """The address of the primary that is known by this name (redis-py's word for it is master).

        Raises MisconfiguredError, or NoPrimaryError where none is up or nobody answers.
        """
        told = self._ask(service_name)
        newest = max(primary.epoch for primary in told)
        for primary in told:
            if primary.epoch == newest and primary.up:
                return primary.address
        raise NoPrimaryError(
            f"{service_name!r} at {told[0].address[0]} is down, say the Sentinels, and has no successor yet"
        )

    def close(self) -> None:
        """Close the connections."""
        for link in self._links.values():
            link.close()

    def _ask(self, name: str) -> list[Primary]:
        """What each of them says. One that was silent a moment ago is left out where a majority answers."""
        told: list[Primary] = []
        reasons: list[str] = []
        for address, link in sorted(self._links.items(), key=lambda item: _is_silent(item[0])):
            if _is_silent(address) and len(told) > len(self._links) // 2:
                break
            try:
                told.append(self._opinion(address, link, name))
            except MisconfiguredError:
                raise
            except (ConnectionError, TimeoutError) as error:
                reasons.append(f"{address}: {error}")
                _silent[address] = time.monotonic()
        if not told:
            raise NoPrimaryError(f"SENTINEL_URL: no Sentinel answers ({'; '.join(reasons)})")
        return told

    def _opinion(self, address: str, link: "Redis", name: str) -> Primary:
        try:
            masters: Any = link.sentinel_masters()
        except (AuthenticationError, NoPermissionError) as error:
            raise MisconfiguredError(f"SENTINEL_URL: {address} refuses the user or the password ({error})") from error
        except ConnectionError as error:
            if refused := refusal(error, address):
                raise refused from error
            raise
        state = masters.get(name)
        if state is None:
            known = ", ".join(sorted(masters)) or "none"
            raise MisconfiguredError(f"{self._variable}: no primary is called {name!r}; the Sentinels watch: {known}")
        down = state["is_sdown"] or state["is_odown"]
        return Primary(state["config-epoch"], (state["ip"], state["port"]), not down)


_silent: Final[dict[str, float]] = {}  # for all pools of this process: each would wait for itself


def _is_silent(address: str) -> bool:
    return time.monotonic() - _silent.get(address, -SILENCE) < SILENCE
