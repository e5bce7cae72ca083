"""Rows: every password and every certificate is another one afterwards, and nobody has noticed."""

from collections.abc import Iterator
from typing import Any, Final

from rehearsal.host import Host
from tests.fleet import project
from tests.fleet.ground import Ground
from tests.fleet.row import Seen
from tests.fleet.shopping import shopping

#: What `make secrets ARGS="--renew ..."` is given.
PASSWORDS: Final = ("rabbitmq.passwords", "redis", "postgresql")
_AUTHORITY: Final = "/root/authority.pem"


def passwords(ground: Ground) -> Seen:
    """New ones come to brokers, database and services; the old ones are refused afterwards."""
    old = ground.vault
    ground.clone.make_secrets("--renew", *PASSWORDS)
    with shopping(ground) as told:
        played = ground.must("rotate-secrets")
    misses = told.misses()
    misses += [f"still taken: the old password of {name}" for name, taken in _logins(ground, old) if taken]
    misses += [f"refused: the new password of {name}" for name, taken in _logins(ground, ground.vault) if not taken]
    return Seen(f"{played.seconds:.0f} s; {told.summary}", misses)


def certificates(ground: Ground) -> Seen:
    """Another authority signs all of them; the old one is trusted as long as it is needed, and no longer."""
    old = ground.vault["authority"]["certificate"]
    ground.clone.make_secrets("--renew", "authority")
    with shopping(ground) as told:
        new = ground.must("rotate-certificates")
        ground.stand_in()
        ground.clone.make_secrets("--forget", "authority_before")
        only = ground.must("rotate-certificates")
    misses = told.misses()
    misses += [f"the old authority vouches for {name}" for name in _vouched(ground, old)]
    misses += [f"{host.name} trusts the old one" for host in ground.fleet.hosts.values() if _trusts(host, old)]
    return Seen(f"{new.seconds:.0f} s and {only.seconds:.0f} s; {told.summary}", misses)


def _logins(ground: Ground, vault: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Each user, and whether its password in this vault is taken."""
    rabbit, redis, database = (ground.hosts(group)[0] for group in ("rabbitmq", "redis", "postgresql"))
    for role, password in vault["rabbitmq"]["passwords"].items():
        script = f"rabbitmqctl authenticate_user {project.NAME}_{role} <<'END'\n{password}\nEND\n"
        yield f"RabbitMQ's {role}", rabbit.run("sh", "-c", script, check=False).returncode == 0
    way = f"--tls --cacert /etc/{project.NAME}/ca.pem -h {redis.address} -p 6380"
    for role, user in {"application": project.NAME, "monitoring": f"{project.NAME}_monitoring"}.items():
        script = f"redis-cli {way} <<'END'\nAUTH {user} {vault['redis'][role]}\nEND\n"
        yield f"Redis's {role}", redis.run("sh", "-c", script, check=False).stdout.strip() == "OK"
    url = f"host={database.address} user={project.NAME} dbname={project.NAME} sslmode=require"
    script = f"PGPASSWORD={vault['postgresql']['application']} psql '{url}' -c 'SELECT 1'\n"
    yield "PostgreSQL's application", database.run("sh", "-c", script, check=False).returncode == 0


def _vouched(ground: Ground, authority: str) -> Iterator[str]:
    """Services whose certificate this authority has signed."""
    for group, port in {"web": 443, "rabbitmq": 5671, "redis": 6380}.items():
        for host in ground.hosts(group):
            host.write(_AUTHORITY, authority)
            asked = (
                f"openssl s_client -connect {host.address}:{port} -CAfile {_AUTHORITY} -verify_return_error </dev/null"
            )
            if host.run("sh", "-c", asked, check=False).returncode == 0:
                yield f"{host.name}:{port}"


def _trusts(host: Host, authority: str) -> bool:
    return authority.strip() in host.read(f"/etc/{project.NAME}/ca.pem")
