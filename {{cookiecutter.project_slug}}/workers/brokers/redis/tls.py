"""TLS to Redis and its Sentinels: verified against our own authority and no other, name included."""

import ssl
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from workers.brokers.redis.outage import MisconfiguredError

if TYPE_CHECKING:
    import socket


class Verified:
    """Mixed into a TLS connection of redis-py, which would trust every authority of the system besides ours.

    It would also read all their certificates for each connection: 15 ms, of 20 that one takes.
    """

    ca_certs: str
    host: str

    def _wrap_socket_with_ssl(self, sock: "socket.socket") -> ssl.SSLSocket:
        return _context(self.ca_certs).wrap_socket(sock, server_hostname=self.host)


def refusal(error: Exception, address: str) -> MisconfiguredError | None:
    """Tell where the peer's certificate is to blame for `error`, which waiting does not mend; None where it is not."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return MisconfiguredError(f"TLS_CA_FILE: the certificate of {address} is refused: {cause.verify_message}")
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what led to it, each once: one that several threads raise again may lead to itself."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


@cache
def _context(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)  # which leaves out the system's authorities
