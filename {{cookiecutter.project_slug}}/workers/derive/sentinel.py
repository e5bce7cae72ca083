"""What Celery and redbeat must be told, beside the URL, to find a primary through Sentinels.

The URL (`sentinel://:password@host:26379/0;...`) carries the password of the primary and of the Sentinels alike. It has
no form for TLS: a CA file says that both speak it.
"""

import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from redis.backoff import NoBackoff
from redis.retry import Retry

SCHEME: Final = "sentinel"
PORT: Final = 26379
#: Seconds a Sentinel may take to answer before the next one is asked.
SENTINEL_TIMEOUT: Final = 5


def transport(url: str, master: str, ca_file: Path | None) -> dict[str, Any]:
    """Options for the broker and the result backend; kombu tells the Sentinels nothing by itself (trap 14)."""
    return {"master_name": master, "sentinel_kwargs": _to_sentinels(_nodes(url)[0], ca_file)}


def redbeat(url: str, master: str, ca_file: Path | None) -> dict[str, Any]:
    """`redbeat_redis_options`."""
    nodes = _nodes(url)
    return {
        "sentinels": [(node.hostname, node.port or PORT) for node in nodes],
        "service_name": master,
        "db": int(nodes[0].path.strip("/") or 0),
        "password": unquote(nodes[0].password or "") or None,
        "username": unquote(nodes[0].username or "") or None,
        "socket_timeout": SENTINEL_TIMEOUT,
        "sentinel_kwargs": _to_sentinels(nodes[0], ca_file),
    }


def _nodes(url: str) -> list[SplitResult]:
    return [urlsplit(part.strip()) for part in url.split(";") if part.strip()]


def _to_sentinels(node: SplitResult, ca_file: Path | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "socket_timeout": SENTINEL_TIMEOUT,
        "socket_connect_timeout": SENTINEL_TIMEOUT,
        "retry": Retry(
            NoBackoff(), 0
        ),  # ask the next one at once: the client's own retries cost seconds for each dead one
    }
    if node.password:
        options["password"] = unquote(node.password)
    if node.username:
        options["username"] = unquote(node.username)
    if ca_file:
        options |= {"ssl": True, "ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": str(ca_file)}
    return options
