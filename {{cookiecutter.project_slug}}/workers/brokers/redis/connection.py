"""Connections that find their primary, wait for it through a fail-over, and leave one that is primary no longer."""

import socket
import time
from typing import Any, Final

from redis.connection import SSLConnection
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004 - the client's own, not Python's
    NoPermissionError,
    ResponseError,
    TimeoutError,  # noqa: A004
)
from redis.sentinel import SentinelConnectionPool, SentinelManagedConnection

from workers.brokers.redis.outage import PATIENCE, PAUSE, MisconfiguredError, Patient, outage_of
from workers.brokers.redis.sentinels import NoPrimaryError, Sentinels
from workers.brokers.redis.tls import Verified, refusal

#: Seconds to connect. Within a data centre it takes a millisecond.
CONNECT_TIMEOUT: Final = 0.5
#: Seconds a command may take. Redis itself holds writes up to 2 s while a slow disk synchronises its file.
SOCKET_TIMEOUT: Final = 2.5
#: The kernel's own watch over a connection: probes after a second of silence, one a second, and the end when nothing
#: was acknowledged for 2500 ms. A peer without power is noticed in that time instead of 15 minutes.
KEEPALIVE: Final = {
    socket.TCP_KEEPIDLE: 1,
    socket.TCP_KEEPINTVL: 1,
    socket.TCP_KEEPCNT: 2,
    socket.TCP_USER_TIMEOUT: 2500,
}
#: With which a server says that it is no primary, or not now. UNBLOCKED goes to those who wait when it is demoted.
NOT_PRIMARY: Final = ("READONLY", "NOREPLICAS", "UNBLOCKED", "MASTERDOWN")


class PrimaryConnection(SentinelManagedConnection):
    """A connection to whoever is primary; `patience` (seconds) and `variable` (for messages) come from its pool."""

    def __init__(self, *, patience: float = PATIENCE, variable: str = "", **options: Any) -> None:
        """As redis-py's."""
        super().__init__(**options)
        self._patience = patience
        self._variable = variable
        self._outage = outage_of(self.connection_pool.service_name)
        self._ready = False

    def connect(self) -> None:
        """Connect to the primary, waiting for one while patience lasts.

        Raises MisconfiguredError at once, and redis-py's ConnectionError or TimeoutError.
        """
        while True:
            try:
                self._connect_retry()
            except MisconfiguredError:
                raise
            except (ConnectionError, TimeoutError) as error:
                if self._outage.outlasts(self._patience, error):
                    raise
                time.sleep(PAUSE)
            else:
                return

    def connect_to(self, address: tuple[str, int]) -> None:
        """Connect to `address` and see that it takes writes."""
        at = f"{address[0]}:{address[1]}"
        self._ready = False
        try:
            super().connect_to(address)
            self._refuse_other_than_primary()
        except (AuthenticationError, NoPermissionError) as error:
            self.disconnect()
            raise MisconfiguredError(f"{self._variable}: {at} refuses the user or the password ({error})") from error
        except (ConnectionError, TimeoutError) as error:
            self.disconnect()
            if refused := refusal(error, at):
                raise refused from error
            raise
        self._ready = True

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT002 - redis-py's
        """Send, connected to the primary first: redis-py would connect to the address it had before."""
        if not self._sock:
            self.connect()
        super().send_packed_command(command, check_health)

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """The reply. Whoever is no primary any more is left: the next command finds the new one."""
        try:
            answer = super().read_response(*arguments, **options)
        except ResponseError as error:
            self._leave_unless_primary(error)
            raise
        for part in answer if isinstance(answer, list) else ():
            self._leave_unless_primary(part)  # a transaction's refusals are items of its reply
        if self._ready:
            self._outage.end()
        return answer

    def _leave_unless_primary(self, answer: Any) -> None:
        if isinstance(answer, ResponseError) and str(answer).startswith(NOT_PRIMARY):
            at = f"{self.host}:{self.port}"
            self.disconnect()
            raise NoPrimaryError(f"{at} takes no writes: {answer}") from answer

    def _refuse_other_than_primary(self) -> None:
        self.send_command("INFO", "replication", check_health=False)
        answer = self.read_response()
        told = answer.decode() if isinstance(answer, bytes) else str(answer)
        if "role:master" not in told:
            raise NoPrimaryError(f"{self.host}:{self.port} is no primary yet, or no longer")
        # The line is there only where the server demands replicas (min-replicas-to-write).
        _demanding[self.connection_pool.service_name] = "min_slaves_good_slaves:" in told
        if "min_slaves_good_slaves:0" in told:
            raise NoPrimaryError(f"{self.host}:{self.port} has no replica that keeps up, so it takes no writes")


_demanding: Final[dict[str, bool]] = {}


def demands_replicas(name: str) -> bool:
    """Whether the primary called `name` takes no writes without replicas, as every connection to it finds out."""
    return _demanding.get(name, False)


class PrimaryTLSConnection(Verified, PrimaryConnection, SSLConnection):
    """The same over TLS."""


def primary_pool(
    name: str, sentinels: Sentinels, *, patience: float | None = None, **options: Any
) -> SentinelConnectionPool:
    """Connections to the primary called `name`; `options` are redis-py's, and `variable` for messages.

    Every wait is bounded. A command whose connection breaks is sent again to the primary there is then, while patience
    (seconds; PATIENCE by default) lasts.
    """
    patience = PATIENCE if patience is None else patience
    bounded = {
        "connection_class": PrimaryTLSConnection if options.get("ssl_ca_certs") else PrimaryConnection,
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_keepalive": True,
        "socket_keepalive_options": KEEPALIVE,
        "retry": Patient(outage_of(name), patience),
    }
    given = {option: value for option, value in options.items() if value is not None}  # kombu's None is "for ever"
    return SentinelConnectionPool(name, sentinels, **{**bounded, **given, "patience": patience})
