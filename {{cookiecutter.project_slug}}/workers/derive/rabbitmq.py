"""How a client connects to RabbitMQ: what makes the loss of a node last seconds.

Measured on three nodes over TLS, the power of the one that led every queue cut off; docs/guarantees.md has the table.
"""

import socket
import ssl
from pathlib import Path
from typing import Any, Final

#: Seconds to open a connection, and over TLS the longest that any answer may take: py-amqp leaves the time-out of the
#: handshake on the socket. A process that starts waits as long for each dead node before it asks the next one.
CONNECT_TIMEOUT: Final = 1
#: Seconds a publisher looks for a node that takes connections before its caller gets the error. Without it the budget
#: is one connection time-out, and the second URL is never tried (kombu #1594).
CONNECT_RETRIES_TIMEOUT: Final = 10
#: How a publish that fails is tried again, over another node each time, until the queue has a new leader: 20 tries of
#: half a second each where nodes refuse at once. Where they are silent each try takes the confirm time-out.
PUBLISH_RETRY_POLICY: Final = {"max_retries": 20, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.5}
#: What the kernel is told of each connection. A consumer sends nothing for minutes, so only probes tell it that the
#: node is gone: the first after a second of silence, one a second, and the end when 1500 ms passed without an answer.
#: What was sent and is not acknowledged ends the connection after the same time.
SOCKET: Final = {
    socket.TCP_KEEPIDLE: 1,
    socket.TCP_KEEPINTVL: 1,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 1500,
}


def transport_options() -> dict[str, Any]:
    """Celery's `broker_transport_options`."""
    return {
        "confirm_publish": True,  # an unconfirmed message may be lost by any broker; bounded in brokers/rabbitmq/
        "connect_retries_timeout": CONNECT_RETRIES_TIMEOUT,
        "socket_settings": SOCKET,
    }


def tls(ca_file: Path | None) -> dict[str, Any]:
    """Celery's `broker_use_ssl`; the transport adds the name that the certificate must carry: the URL's (trap 15)."""
    return {"cert_reqs": ssl.CERT_REQUIRED, **({"ca_certs": str(ca_file)} if ca_file else {})}
