"""The Sentinels, as SENTINEL_URL names them: `sentinel://USER:PASSWORD@HOST:26379;sentinel://...`.

The URLs of broker, results and cache then have the primary's name for a host: `sentinel://USER:PASSWORD@broker/0`, with
the login of the Redis server itself. The scheme has no form for TLS: a CA file says that all of them speak it.
"""

from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

SCHEME: Final = "sentinel"
PORT: Final = 26379


def arguments(sentinel_url: str, ca_file: Path | None) -> dict[str, Any]:
    """What workers.brokers.redis.sentinels.Sentinels is made of; the first URL's login holds for all."""
    nodes = [urlsplit(part.strip()) for part in sentinel_url.split(";") if part.strip()]
    return {
        "addresses": [(node.hostname, node.port or PORT) for node in nodes],
        "username": unquote(nodes[0].username or "") or None,
        "password": unquote(nodes[0].password or "") or None,
        "ca_file": str(ca_file) if ca_file else None,
    }
