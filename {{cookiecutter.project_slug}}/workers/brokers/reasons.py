"""Why a broker could not be reached, in words that say where to look."""

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from amqp import exceptions as amqp

#: OpenSSL's verify codes (X509_V_ERR_*).
EXPIRED, NAME_DIFFERS, ADDRESS_DIFFERS = 10, 62, 64

#: What the network says itself of an address at which there is nobody; timing decides whether it or the clock is first.
NOBODY_THERE: Final = (errno.EHOSTUNREACH, errno.ENETUNREACH)

#: The first kind that an error or one of its causes is of -> what that means.
MEANINGS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (ssl.SSLError, "speaks no TLS there: look at the scheme and the port"),
    (amqp.AccessRefused, "refuses this user or this password"),
    (amqp.NotAllowed, "has no such virtual host, or this user may not use it"),
    (socket.gaierror, "has a name that cannot be resolved"),
    (ConnectionRefusedError, "refuses connections: nothing listens there"),
    (TimeoutError, "does not answer"),
    (ConnectionError, "closes the connection: does it want TLS?"),
)


def reason(error: BaseException) -> str:
    """What `error` says about the host it came from, as the second half of a sentence that begins with the host."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _certificate(cause)
    if any(isinstance(cause, OSError) and cause.errno in NOBODY_THERE for cause in causes):
        return "does not answer"
    for kind, meaning in MEANINGS:
        if any(isinstance(cause, kind) for cause in causes):
            return meaning
    return f"fails: {error}"


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == EXPIRED:
        return "shows a certificate that has expired: issue a new one"
    if error.verify_code in (NAME_DIFFERS, ADDRESS_DIFFERS):
        return "shows a certificate for another name: the name in the URL must be one of it"
    return f"shows a certificate that TLS_CA_FILE does not vouch for ({error.verify_message})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what it was raised for. requests and urllib3 keep that in `args` and `reason`."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]
