"""Every link to Redis and its Sentinels is encrypted, verified and behind a login; what is wrong is said in a line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rehearsal.host import Host
from tests.brokers.certificates import Authority, Certificate
from tests.brokers.clients import Clients
from tests.brokers.redis import PASSWORDS, PROJECT, Redis
from tests.waiting import until

PING = """
import os
from workers.brokers.redis.client import client
from workers.brokers.redis.outage import MisconfiguredError
from workers.derive import redis, sentinel
from config.env import environment
env = environment()
url = env.broker_url.get_secret_value()
tls = redis.tls(url, env.tls_ca_file) or {}
try:
    sentinels = sentinel.arguments(env.sentinels, env.tls_ca_file)
    with client(url, sentinels, variable="BROKER_URL", patience=0, **tls) as it:
        answer = str(it.ping())
except Exception as error:
    answer = f"{type(error).__name__}: {error}"
"""


def test_who_has_everything_right_is_let_in(redis_clients: Clients) -> None:
    """Or the refusals below would prove nothing."""
    assert redis_clients.ask(PING) == "True"


#: Where the servers and the Sentinel of a host listen, with TLS.
PORTS = (6379, 6380, 6381, 26379)


@pytest.mark.parametrize("port", PORTS)
def test_plain_text_is_refused(redis_clients: Clients, sound_redis: Redis, port: int) -> None:
    """By the servers and by the Sentinels."""
    code = f"""
from redis import Redis
try:
    answer = str(Redis({sound_redis.hosts[0].address!r}, {port}, socket_timeout=2).ping())
except Exception as error:
    answer = type(error).__name__
"""
    assert redis_clients.ask(code) == "ConnectionError"


def test_no_other_port_listens(redis: Redis) -> None:
    """One without TLS next to those would let plain text in all the same."""
    for host in redis.hosts:
        sockets = [line for line in host.run("ss", "-Htlnp").stdout.splitlines() if "redis-" in line]
        assert {int(line.split()[3].rpartition(":")[2]) for line in sockets} == set(PORTS)


def test_a_strange_authority_is_refused(redis_clients: Clients, tmp_path: Path) -> None:
    """By the client: a server with a certificate of somebody else's is not ours."""
    strange = tmp_path / "strange.pem"
    strange.write_text(Authority().pem, encoding="utf-8")
    said = redis_clients.ask(PING, {"TLS_CA_FILE": str(strange)})
    assert said.startswith("MisconfiguredError: TLS_CA_FILE: the certificate of 10.30.0.1")


#: How an authority makes it -> why a client refuses it, for a host of that address.
WRONG_CERTIFICATES = {
    "expired": "certificate has expired",
    "issue": "IP address mismatch, certificate is not valid for '{address}'.",
}


def wrong_certificate(cluster: Redis, host: Host, kind: str) -> Certificate:
    """One of the right authority's, which ran out or names another host."""
    names = (host.name, host.address) if kind == "expired" else ("other.internal",)
    made: Certificate = getattr(cluster.authority, kind)(*names)
    return made


@pytest.fixture
def one_sentinel(sound_redis: Redis) -> Iterator[str]:
    """SENTINEL_URL with one Sentinel only, whose certificate the test may change."""
    sentinels = sound_redis.links("worker")["SENTINEL_URL"].split(";")
    yield sentinels[2]
    sound_redis.certify(sound_redis.hosts[2])
    sound_redis.wait_healthy()


@pytest.mark.parametrize(("wrong", "said"), WRONG_CERTIFICATES.items(), ids=["out of date", "for another host"])
def test_a_wrong_certificate_is_refused(
    redis_clients: Clients, sound_redis: Redis, one_sentinel: str, wrong: str, said: str
) -> None:
    """One that ran out, and one for another host."""
    host = sound_redis.hosts[2]
    sound_redis.certify(host, wrong_certificate(sound_redis, host, wrong))
    until(lambda: "TLS_CA_FILE" in redis_clients.ask(PING, {"SENTINEL_URL": one_sentinel}), "the new certificate", 15)
    expected = refused(host, 26379, said)
    assert redis_clients.ask(PING, {"SENTINEL_URL": one_sentinel}).startswith(expected)


@pytest.mark.parametrize(("wrong", "said"), WRONG_CERTIFICATES.items(), ids=["out of date", "for another host"])
def test_a_wrong_certificate_of_a_server_is_refused(
    redis_clients: Clients, sound_redis: Redis, wrong: str, said: str
) -> None:
    """The same where the tasks go: the Sentinels are verified, and so is the primary that they name."""
    primary = sound_redis.primary()
    try:
        sound_redis.certify_servers(primary, wrong_certificate(sound_redis, primary, wrong))
        assert redis_clients.ask(PING).startswith(refused(primary, 6379, said))
    finally:
        sound_redis.certify_servers(primary)


def refused(host: Host, port: int, said: str) -> str:
    """How the error begins."""
    reason = said.format(address=host.address)
    return f"MisconfiguredError: TLS_CA_FILE: the certificate of {host.address}:{port} is refused: {reason}"


def test_nobody_gets_in_without_a_login(redis: Redis) -> None:
    """The default user is off, on servers and Sentinels."""
    for port in ("6379", "26379"):
        host = redis.hosts[0]
        said = host.run("redis-cli", "--tls", "--cacert", "/etc/redis/tls/ca.pem", "-p", port, "ping", check=False)
        assert "NOAUTH" in said.stdout


def as_user(host: Host, user: str, *command: str) -> str:
    """What redis-cli on `host` says to one of the users."""
    name = PROJECT if user == "application" else f"{PROJECT}_{user}"
    login = ("--user", name, "--pass", PASSWORDS[f"redis_{user}_password"], "--no-auth-warning")
    tls = ("--tls", "--cacert", "/etc/redis/tls/ca.pem")
    return host.run("redis-cli", *tls, *login, *command, check=False).stdout


@pytest.mark.parametrize(
    ("user", "command", "allowed"),
    [
        ("application", "lpush t 1", True),
        ("application", "info", True),
        ("application", "config set maxmemory 1", False),
        ("application", "flushall", False),
        ("application", "replicaof no one", False),
        ("monitoring", "info", True),
        ("monitoring", "llen t", True),
        ("monitoring", "lpush t 1", False),
        ("monitoring", "get t", False),
        ("replication", "lpush t 1", False),
        ("sentinel", "lpush t 1", False),
    ],
)
def test_each_user_may_do_its_own_work_only(redis: Redis, user: str, command: str, *, allowed: bool) -> None:
    """A password that leaks from one place opens that place's door."""
    primary = redis.primary("broker")  # a fail-over before may have left every use another one
    said = as_user(primary, user, *command.split())
    assert said.startswith("NOPERM") is not allowed, said
    redis.cli(primary, "broker", "del", "t")


@pytest.mark.parametrize(
    ("user", "command", "allowed"),
    [
        ("application", "sentinel masters", True),
        ("application", "sentinel failover nothing", False),
        ("application", "sentinel reset nothing", False),
        ("monitoring", "sentinel masters", True),
        ("monitoring", "sentinel failover nothing", False),
        ("sentinel", "sentinel set nothing quorum 1", False),
        ("sentinel", "sentinel failover nothing", False),
    ],
)
def test_each_user_of_a_sentinel_asks_it_only(redis: Redis, user: str, command: str, *, allowed: bool) -> None:
    """Whoever may tell Sentinels what to do decides who is primary; none is called `nothing`."""
    said = as_user(redis.hosts[0], user, "-p", "26379", *command.split())
    assert said.startswith("NOPERM") is not allowed, said


@dataclass(frozen=True)
class Wrong:
    """A variable, what is replaced in it by what, and what a worker says: which variable to look at, and why."""

    variable: str
    replaced: tuple[str, str]
    said: tuple[str, str]


LOGIN = f":{PASSWORDS['redis_application_password']}@"
WRONG = {
    "password": Wrong("BROKER_URL", (LOGIN, ":wrong@"), ("BROKER_URL", "refuses the user or the password")),
    "name": Wrong(
        "BROKER_URL", ("@broker/", "@brokr/"), ("BROKER_URL", "no primary is called 'brokr'; the Sentinels watch")
    ),
    "Sentinels' password": Wrong(
        "SENTINEL_URL", (LOGIN, ":wrong@"), ("SENTINEL_URL", "refuses the user or the password")
    ),
    "addresses": Wrong("SENTINEL_URL", ("@10.30.0.1", "@10.30.0.9"), ("SENTINEL_URL", "no Sentinel answers")),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=list(WRONG))
def test_a_worker_says_what_is_wrong_and_tries_again(redis_clients: Clients, wrong: Wrong) -> None:
    """One line with each try, which names the variable to look at; later each time, and the worker lives on."""
    changed = {wrong.variable: redis_clients.environment()[wrong.variable].replace(*wrong.replaced)}
    with redis_clients.observers() as observers:
        worker = redis_clients.worker(observers, "wrong", changes=changed)
        until(lambda: len(refusals(worker.log)) >= 3, lambda: f"three tries; the log:\n{worker.log.read_text()}", 60)
        assert worker.process.poll() is None
        for line, pause in zip(refusals(worker.log), (1, 2, 4), strict=False):
            assert line["variable"] == wrong.said[0]
            assert wrong.said[1] in line["reason"]
            assert line["next_try"] == f"in {pause} s"
        assert "Traceback" not in worker.log.read_text(encoding="utf-8")


def refusals(log: Path) -> list[dict[str, str]]:
    """The lines of a worker's log in which it says why it cannot connect."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [json.loads(line) for line in lines if '"event": "broker_refuses"' in line]
