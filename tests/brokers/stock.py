"""Stock Celery: what a reader of its documentation writes for a broker of three nodes, and nothing else.

RabbitMQ: all nodes in the URL, quorum queues, publisher confirms (docs: "Using RabbitMQ"); a topic exchange, because
kombu warns that countdowns need one. Redis: all Sentinels in the URL and the primary's name (docs: "Using Redis").
TLS and passwords as the cluster demands them.
"""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import os
import ssl
from typing import Any
from urllib.parse import unquote, urlsplit

from celery import Celery, signals
from kombu import Exchange, Queue

from tests.brokers.observers.events import record

URL = os.environ["BROKER_URL"]
CA_FILE = os.environ.get("TLS_CA_FILE")


def rabbitmq() -> dict[str, Any]:
    """Settings for quorum queues."""
    exchange = Exchange("stock", type="topic")
    tls = {"broker_use_ssl": {"ca_certs": CA_FILE, "cert_reqs": ssl.CERT_REQUIRED}} if CA_FILE else {}
    return {
        "task_queues": [
            Queue(name, exchange, routing_key=name, queue_arguments={"x-queue-type": "quorum"})
            for name in ("main", "side")
        ],
        "broker_transport_options": {"confirm_publish": True},
        **tls,
    }


def redis() -> dict[str, Any]:
    """Settings for Sentinels, or for one Redis where the URL names one."""
    if not URL.startswith("sentinel"):
        return {}
    sentinels: dict[str, Any] = {}
    if password := urlsplit(URL.partition(";")[0]).password:
        sentinels["password"] = unquote(password)
    if username := urlsplit(URL.partition(";")[0]).username:
        sentinels["username"] = unquote(username)
    tls = {"ssl_ca_certs": CA_FILE, "ssl_cert_reqs": ssl.CERT_REQUIRED} if CA_FILE else {}
    if tls:
        sentinels |= {"ssl": True, **tls}
    options = {"master_name": os.environ.get("SENTINEL_MASTER", "mymaster"), "sentinel_kwargs": sentinels}
    return {"broker_transport_options": options, **({"broker_use_ssl": tls} if tls else {})}


app = Celery("stock", broker=URL)
app.conf.update(rabbitmq() if URL.startswith("amqp") else redis())


@signals.celeryd_after_setup.connect(weak=False)
def loaded(**_: object) -> None:
    """Write down that the worker is about to connect."""
    record("up")


@app.task(ignore_result=True)
def observe(kind: str, identifier: str, due: float) -> None:
    """Write down that it runs."""
    record("run", kind, identifier, due)
