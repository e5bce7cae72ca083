"""PostgreSQL on a host, reached over TLS with a password."""

from dataclasses import dataclass
from typing import Final

from rehearsal.host import Host
from tests.brokers.certificates import Authority

#: The database and its owner.
NAME: Final = "observed"
PASSWORD: Final = "only-for-tests"  # noqa: S105 - of a database that lives for minutes
PORT: Final = 5432

#: `max_connections`: what workers.yml reckons with.
SERVER: Final = """\
listen_addresses = '*'
max_connections = 200
ssl = on
ssl_cert_file = '/etc/postgresql/tls/certificate.pem'
ssl_key_file = '/etc/postgresql/tls/key.pem'
"""

#: What a client must be, in place of Debian's own lines.
ACCESS: Final = f"local all postgres peer\nhostssl all {NAME} 0.0.0.0/0 scram-sha-256\n"


@dataclass(frozen=True)
class PostgreSQL:
    """The server on `host`, whose layers hold `postgresql`."""

    host: Host

    @property
    def url(self) -> str:
        """What clients find as DATABASE_URL."""
        return f"postgres://{NAME}:{PASSWORD}@{self.host.name}:{PORT}/{NAME}"

    def start(self, authority: Authority) -> None:
        """Configure and start it, with an empty database."""
        [main] = self.host.run("sh", "-c", "ls -d /etc/postgresql/*/main").stdout.split()
        shown = authority.issue(self.host.name, self.host.address)
        owner = "postgres:postgres"
        self.host.write("/etc/postgresql/tls/certificate.pem", shown.certificate, owner=owner)
        self.host.write("/etc/postgresql/tls/key.pem", shown.key, mode=0o600, owner=owner)
        self.host.write(f"{main}/conf.d/rehearsal.conf", SERVER, owner=owner)
        self.host.write(f"{main}/pg_hba.conf", ACCESS, mode=0o640, owner=owner)
        self.host.run("systemctl", "enable", "--now", "postgresql", timeout=60)
        for statement in (f"CREATE USER {NAME} PASSWORD '{PASSWORD}'", f"CREATE DATABASE {NAME} OWNER {NAME}"):
            self.host.run("runuser", "-u", "postgres", "--", "psql", "-Xqc", statement)

    def query(self, statement: str) -> str:
        """What the database says, asked on its own host."""
        asked = self.host.run("runuser", "-u", "postgres", "--", "psql", "-XtAc", statement, NAME)
        return asked.stdout.strip()
