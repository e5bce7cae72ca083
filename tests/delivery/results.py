"""One Redis for the results beside RabbitMQ, over TLS with a password, on the database's host."""

from typing import Final

from rehearsal.host import Host
from tests.brokers.certificates import Authority

PASSWORD: Final = "only-for-tests"  # noqa: S105 - of a server that lives for minutes
#: The port of the role's instance of that name, too.
PORT: Final = 6380
UNIT: Final = "redis-server@results"
CONFIGURATION: Final = f"""\
bind 0.0.0.0
port 0
tls-port {PORT}
tls-cert-file /etc/redis/tls/certificate.pem
tls-key-file /etc/redis/tls/key.pem
tls-ca-cert-file /etc/redis/tls/ca.pem
tls-auth-clients no
requirepass {PASSWORD}
maxmemory 256mb
maxmemory-policy noeviction
appendonly yes
dir /var/lib/redis
pidfile /run/redis-results/redis-server.pid
logfile ""
"""


def start(host: Host, authority: Authority) -> None:
    """Configure and start it."""
    shown = authority.issue(host.name, host.address)
    files = {
        "tls/ca.pem": authority.pem,
        "tls/certificate.pem": shown.certificate,
        "tls/key.pem": shown.key,
        "redis-results.conf": CONFIGURATION,
    }
    for name, text in files.items():
        host.write(f"/etc/redis/{name}", text, mode=0o640, owner="redis:redis")
    host.run("systemctl", "enable", "--now", UNIT, timeout=60)


def links(host: Host) -> dict[str, str]:
    """Where clients find results, cache and locks."""
    url = f"rediss://:{PASSWORD}@{host.name}:{PORT}"
    return {"RESULT_URL": f"{url}/0", "CACHE_URL": f"{url}/1", "LOCK_URL": f"{url}/2"}
