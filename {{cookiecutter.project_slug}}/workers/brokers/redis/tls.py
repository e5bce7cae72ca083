"""TLS to Redis and its Sentinels: verified against our own authority and no other, name included."""

import ssl
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


def explained(error: Exception, address: str) -> Exception:
    """`error`, or a MisconfiguredError where the peer's certificate is to blame: waiting does not mend that."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return error
    return MisconfiguredError(f"TLS_CA_FILE: the certificate of {address} is refused: {cause.verify_message}")


@cache
def _context(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)  # which leaves out the system's authorities
