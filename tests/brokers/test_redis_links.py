"""Every link to Redis and its Sentinels is encrypted, verified and behind a login; what is wrong is said in a line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.brokers.certificates import Authority, Certificate
from tests.brokers.clients import Clients
from tests.brokers.cluster import Cluster
from tests.brokers.redis import PASSWORDS, PROJECT, Redis, until
from tests.project.running import Project


@pytest.fixture(scope="module")
def cluster(redis: Cluster) -> Redis:
    """The cluster of this session, healthy."""
    assert isinstance(redis, Redis)
    redis.wait_healthy()
    return redis


@pytest.fixture
def clients(cluster: Redis, observed: Project, tmp_path: Path) -> Clients:
    """Processes that want to connect to it."""
    return Clients(cluster, observed, tmp_path)


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


def test_who_has_everything_right_is_let_in(clients: Clients) -> None:
    """Or the refusals below would prove nothing."""
    assert clients.ask(PING) == "True"


@pytest.mark.parametrize("port", [6379, 6380, 6381, 26379])
def test_plain_text_is_refused(clients: Clients, cluster: Redis, port: int) -> None:
    """By the servers and by the Sentinels."""
    code = f"""
from redis import Redis
try:
    answer = str(Redis({cluster.hosts[0].address!r}, {port}, socket_timeout=2).ping())
except Exception as error:
    answer = type(error).__name__
"""
    assert clients.ask(code) == "ConnectionError"


def test_a_strange_authority_is_refused(clients: Clients, tmp_path: Path) -> None:
    """By the client: a server with a certificate of somebody else's is not ours."""
    strange = tmp_path / "strange.pem"
    strange.write_text(Authority().pem, encoding="utf-8")
    said = clients.ask(PING, {"TLS_CA_FILE": str(strange)})
    assert said.startswith("MisconfiguredError: TLS_CA_FILE: the certificate of 10.30.0.1")


@pytest.fixture
def one_sentinel(cluster: Redis) -> Iterator[str]:
    """SENTINEL_URL with one Sentinel only, whose certificate the test may change."""
    sentinels = cluster.links("worker")["SENTINEL_URL"].split(";")
    yield sentinels[2]
    cluster.certify(cluster.hosts[2])
    cluster.wait_healthy()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("expired", "certificate has expired"),
        ("issue", "IP address mismatch, certificate is not valid for '10.30.0.13'."),
    ],
)
def test_a_wrong_certificate_is_refused(
    clients: Clients, cluster: Redis, one_sentinel: str, wrong: str, said: str
) -> None:
    """One that ran out, and one for another host."""
    host = cluster.hosts[2]
    names = (host.name, host.address) if wrong == "expired" else ("other.internal",)
    own: Certificate = getattr(cluster.authority, wrong)(*names)
    cluster.certify(host, own)
    until(lambda: "TLS_CA_FILE" in clients.ask(PING, {"SENTINEL_URL": one_sentinel}), "the new certificate", 15)
    expected = f"MisconfiguredError: TLS_CA_FILE: the certificate of {host.address}:26379 is refused: {said}"
    assert clients.ask(PING, {"SENTINEL_URL": one_sentinel}).startswith(expected)


def test_nobody_gets_in_without_a_login(cluster: Redis) -> None:
    """The default user is off, on servers and Sentinels."""
    for port in ("6379", "26379"):
        host = cluster.hosts[0]
        said = host.run("redis-cli", "--tls", "--cacert", "/etc/redis/tls/ca.pem", "-p", port, "ping", check=False)
        assert "NOAUTH" in said.stdout


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
def test_each_user_may_do_its_own_work_only(cluster: Redis, user: str, command: str, *, allowed: bool) -> None:
    """A password that leaks from one place opens that place's door."""
    name = PROJECT if user == "application" else f"{PROJECT}_{user}"
    login = ("--user", name, "--pass", PASSWORDS[f"redis_{user}_password"], "--no-auth-warning")
    tls = ("--tls", "--cacert", "/etc/redis/tls/ca.pem")
    primary = cluster.primary("broker")  # a fail-over before may have left every use another one
    said = primary.run("redis-cli", *tls, *login, *command.split(), check=False).stdout
    assert said.startswith("NOPERM") is not allowed, said
    cluster.cli(primary, "broker", "del", "t")


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
def test_a_worker_says_what_is_wrong_and_tries_again(clients: Clients, wrong: Wrong) -> None:
    """One line with each try, which names the variable to look at; later each time, and the worker lives on."""
    changed = {wrong.variable: clients.environment()[wrong.variable].replace(*wrong.replaced)}
    with clients.observers() as observers:
        worker = clients.worker(observers, "wrong", changes=changed)
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
