"""RabbitMQ lets nobody in who comes without TLS or a password, and each user does its own work only."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.brokers.certificates import Authority
from tests.brokers.clients import Clients
from tests.brokers.rabbitmq import RabbitMQ
from tests.project.running import Project

#: Tries one thing after the other and says what came of each; `here` forwards to r1 under a name that is not its own.
_TRIES = """
import socket, threading
from pathlib import Path
import amqp
import requests
from amqp.sasl import SASL
from kombu import Connection
from config.env import environment, urls
from workers.derive.broker import tls

env = environment()

def of(user):
    return f"observed_{{user}}", f"only-for-tests-{{user}}"

def connected(address, login, vhost="observed", ca=env.tls_ca_file):
    url = f"{{address[0]}}://{{login[0]}}:{{login[1]}}@{{address[1]}}/{{vhost}}"
    return Connection(url, ssl=tls(url, ca), connect_timeout=2, transport_options={{"confirm_publish": True}})

def tried(do):
    try:
        do()
    except Exception as error:
        return f"{{type(error).__name__}}: {{error}}"
    return "done"

def opened(*address, **how):
    def do():
        with connected(address, how.pop("login", of("worker")), **how) as connection:
            connection.connect()
    return tried(do)

class Anonymous(SASL):
    mechanism = b"ANONYMOUS"

    def start(self, connection):
        return b""

def nameless():
    how = dict(ssl=tls("amqps:", env.tls_ca_file) | dict(server_hostname="r1"), authentication=[Anonymous()])
    amqp.Connection("r1:5671", virtual_host="observed", connect_timeout=2, **how).connect()

def channelled(user, act):
    def do():
        with connected(("amqps", "r1:5671"), of(user)) as connection, connection.channel() as channel:
            act(channel)
    return tried(do)

def publish(channel, exchange="tasks"):
    task = channel.prepare_message("{{}}", content_encoding="utf-8")
    channel.basic_publish(task, exchange=exchange, routing_key="green")

def asked(user, method, path, **body):
    url = f"https://r1:15671/api/{{path}}"
    said = requests.request(method, url, auth=of(user), verify=ca, timeout=5, json=body or None)
    return f"{{said.status_code}} {{said.text}}"

def forward(listener):
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(("r1", 5671))
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=pump, args=(one, other), daemon=True).start()

def pump(one, other):
    try:
        while data := one.recv(65536):
            other.sendall(data)
    except OSError:
        pass
    finally:
        other.close()

listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=forward, args=(listener,), daemon=True).start()
here = f"127.0.0.1:{{listener.getsockname()[1]}}"
message = dict(properties={{}}, routing_key="green", payload="x", payload_encoding="string")
get = dict(count=1, ackmode="ack_requeue_true", encoding="auto")
policy = dict(pattern="x", definition={{"max-length": 1}})
ca = str(env.tls_ca_file)

answer = {{
    "right": opened("amqps", "r1:5671"),
    "plain text": opened("amqp", "r1:5671"),
    "plain port": opened("amqp", "r1:5672"),
    "plain api": tried(lambda: requests.get("http://r1:15672/api/overview", timeout=2)),
    "plain metrics": tried(lambda: requests.get("http://r1:15692/metrics", timeout=2)),
    "metrics without login": str(requests.get("https://r1:15691/metrics", verify=ca, timeout=5).status_code),
    "wrong authority": opened("amqps", "r1:5671", ca=Path({strange!r})),
    "wrong name": opened("amqps", here),
    "expired": opened("amqps", "r3:5671"),
    "wrong user": opened("amqps", "r1:5671", login=("nobody", of("worker")[1])),
    "wrong password": opened("amqps", "r1:5671", login=("observed_worker", "wrong")),
    "guest": opened("amqps", "r1:5671", login=("guest", "guest")),
    "without a login": tried(nameless),
    "other virtual host": opened("amqps", "r1:5671", vhost="stock"),
    "web publishes": channelled("web", publish),
    "worker publishes": channelled("worker", publish),
    "worker takes": channelled("worker", lambda channel: channel.basic_get("green", no_ack=True)),
    "worker gives up": channelled("worker", lambda channel: publish(channel, "dead")),
    "relay publishes": channelled("relay", publish),
    "relay takes dead": channelled("relay", lambda channel: channel.basic_get("green.dead", no_ack=True)),
    "relay takes": channelled("relay", lambda channel: channel.basic_get("green")),
    "relay gives up": channelled("relay", lambda channel: publish(channel, "dead")),
    "worker takes dead": channelled("worker", lambda channel: channel.basic_get("green.dead")),
    "web gives up": channelled("web", lambda channel: publish(channel, "dead")),
    "monitoring publishes": channelled("monitoring", publish),
    "monitoring publishes by api": asked("monitoring", "POST", "exchanges/observed/tasks/publish", **message),
    "monitoring takes": channelled("monitoring", lambda channel: channel.basic_get("green")),
    "relay declares": channelled("relay", lambda channel: channel.queue_declare("more", durable=True)),
    "monitoring declares": channelled("monitoring", lambda channel: channel.queue_declare("more", durable=True)),
    "deploy declares elsewhere": channelled("deploy", lambda channel: channel.queue_declare("No.Group", durable=True)),
    "deploy publishes elsewhere": channelled("deploy", lambda channel: publish(channel, "amq.topic")),
    "worker publishes elsewhere": channelled("worker", lambda channel: publish(channel, "amq.topic")),
    "web declares": channelled("web", lambda channel: channel.queue_declare("more", durable=True)),
    "web takes": channelled("web", lambda channel: channel.basic_get("green")),
    "web purges": channelled("web", lambda channel: channel.queue_purge("green")),
    "worker declares": channelled("worker", lambda channel: channel.queue_declare("more", durable=True)),
    "worker deletes": channelled("worker", lambda channel: channel.queue_delete("green")),
    "deploy takes": channelled("deploy", lambda channel: channel.basic_get("green")),
    "deploy takes dead": channelled("deploy", lambda channel: channel.basic_get("green.dead")),
    "deploy takes by api": asked("deploy", "POST", "queues/observed/green/get", **get),
    "deploy purges": channelled("deploy", lambda channel: channel.queue_purge("green")),
    "deploy makes users": asked("deploy", "PUT", "users/more", password="x", tags=""),
    "monitoring sets a policy": asked("monitoring", "PUT", "policies/observed/more", **policy),
}}
"""


@pytest.fixture(scope="module")
def said(rabbitmq: RabbitMQ, observed: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What came of each try; r3 shows a certificate that has expired meanwhile."""
    rabbitmq.wait_healthy()
    folder = tmp_path_factory.mktemp("refusals")
    strange = folder / "strange.pem"
    strange.write_text(Authority().pem, encoding="utf-8")
    host = rabbitmq.hosts[2]
    try:
        rabbitmq.certify(host, rabbitmq.authority.expired(host.name, host.address))
        rabbitmq.take_certificates(host)
        yield Clients(rabbitmq, observed, folder).ask(_TRIES.format(strange=str(strange)))
    finally:
        rabbitmq.certify(host)
        rabbitmq.take_certificates(host)
        rabbitmq.clear()


@pytest.mark.parametrize(
    "who",
    [
        "right",
        "web publishes",
        "worker publishes",
        "worker takes",
        "worker gives up",
        "relay publishes",
        "relay takes dead",
    ],
)
def test_who_does_its_own_work_is_let_in(said: dict[str, Any], who: str) -> None:
    """Or the refusals below would prove nothing."""
    assert said[who] == "done"


@pytest.mark.parametrize(
    ("who", "answer"),
    [
        ("plain text", "OSError"),
        ("plain port", "ConnectionRefusedError"),
        ("plain api", "ConnectionError"),
        ("plain metrics", "ConnectionError"),
        ("metrics without login", "401"),
        ("wrong authority", "SSLCertVerificationError"),
        ("wrong name", "SSLCertVerificationError"),
        ("expired", "SSLCertVerificationError"),
        ("wrong user", "AccessRefused"),
        ("wrong password", "AccessRefused"),
        ("guest", "AccessRefused"),
        ("without a login", "ConnectionError: Couldn't find appropriate auth mechanism"),
        ("other virtual host", "NotAllowed"),
    ],
)
def test_who_comes_wrongly_is_refused(said: dict[str, Any], who: str, answer: str) -> None:
    """By the broker, or by the client where it is the broker that cannot prove who it is."""
    assert said[who].startswith(answer)


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ("wrong authority", "unable to get local issuer certificate|self-signed certificate in certificate chain"),
        ("wrong name", "certificate is not valid for '127.0.0.1'"),
        ("expired", "certificate has expired"),
    ],
)
def test_a_certificate_is_refused_for_what_is_wrong_with_it(said: dict[str, Any], who: str, reason: str) -> None:
    """Each of the three by itself."""
    assert re.search(reason, said[who])


@pytest.mark.parametrize(
    "what",
    [
        "monitoring declares",
        "monitoring publishes",
        "monitoring takes",
        "web declares",
        "web takes",
        "web purges",
        "web gives up",
        "worker takes dead",
        "worker publishes elsewhere",
        "relay declares",
        "relay takes",
        "relay gives up",
        "worker declares",
        "worker deletes",
        "deploy declares elsewhere",
        "deploy publishes elsewhere",
        "deploy takes",
        "deploy takes dead",
        "deploy purges",
    ],
)
def test_each_user_does_its_own_work_only(said: dict[str, Any], what: str) -> None:
    """A password that leaks from one place opens that place's door."""
    assert said[what].startswith("AccessRefused"), said[what]


@pytest.mark.parametrize(
    "what",
    ["monitoring publishes by api", "deploy takes by api", "deploy makes users", "monitoring sets a policy"],
)
def test_the_management_api_is_no_way_around(said: dict[str, Any], what: str) -> None:
    """It acts with the permissions of the user that asks."""
    status, _, body = said[what].partition(" ")
    assert status in ("400", "401")
    assert "ACCESS_REFUSED" in body or "not_authorised" in body
