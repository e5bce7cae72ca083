"""RabbitMQ's management API is asked node by node, with bounded waits, where the variables say it is."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from pydantic import SecretStr

from workers.brokers.rabbitmq import admin
from workers.brokers.rabbitmq.api import Api, ApiError, NobodyAnswersError


@contextmanager
def node(status: int, body: Any) -> Iterator[tuple[str, list[str]]]:
    """A node that answers everything so: its URL, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://u:p@127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _dead() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://u:p@127.0.0.1:{free.getsockname()[1]}"


def _api(*urls: str, timeout: float = 5) -> Api:
    return Api([urlsplit(url) for url in urls], None, timeout)


def test_the_next_node_is_asked_and_then_stays_first() -> None:
    """A dead node costs one attempt, not one for each question."""
    dead = _dead()
    with node(200, [{"name": "default"}]) as (alive, asked):
        api = _api(dead, alive)
        assert api.get("queues", "/") == [{"name": "default"}]
        assert api.urls[0] == urlsplit(alive)
    assert asked == ["/api/queues/%2F"]


def test_every_node_says_why_it_does_not_answer() -> None:
    """The message has all of them, and no password."""
    first, second = _dead(), _dead()
    with pytest.raises(NobodyAnswersError) as raised:
        _api(first, second).get("nodes")
    told = [
        f"{urlsplit(url).netloc.partition('@')[2]} refuses connections: nothing listens there"
        for url in (first, second)
    ]
    assert str(raised.value) == "; ".join(told)


def test_a_silent_node_is_waited_for_within_bounds() -> None:
    """It takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(NobodyAnswersError, match="does not answer"):
        _api(f"http://u:p@127.0.0.1:{silent.getsockname()[1]}", timeout=0.2).get("nodes")


def test_a_wrong_password_names_the_user() -> None:
    """And not the password."""
    with node(401, {"error": "not_authorized", "reason": "Not_Authorized"}) as (url, _):
        with pytest.raises(ApiError) as raised:
            _api(url).get("nodes")
        assert str(raised.value) == f"{urlsplit(url).netloc.partition('@')[2]} refuses the user 'u' or the password"


def test_what_is_not_there_is_none() -> None:
    """A policy that nobody has set yet, say."""
    with node(404, {"error": "Object Not Found"}) as (url, _):
        assert _api(url).get("policies", "shop", "default") is None


def _environment(*, local: bool, admin_url: str | None = None, broker: str = "amqp://shop:pw@127.0.0.1/shop") -> Any:
    secret = SecretStr(admin_url) if admin_url else None
    return SimpleNamespace(
        broker_admin_url=secret, broker_url=SecretStr(broker), is_local=local, tls_ca_file=None, environment="local"
    )


def test_the_api_is_where_the_variable_says() -> None:
    """Each node's own."""
    api = admin.api(_environment(local=False, admin_url="https://d:pw@r1:15671;https://d:pw@r2:15671"))
    assert [url.hostname for url in api.urls] == ["r1", "r2"]


def test_a_local_rabbitmq_needs_no_variable() -> None:
    """Its API is beside it, for the same user."""
    assert [url.geturl() for url in admin.api(_environment(local=True)).urls] == ["http://shop:pw@127.0.0.1:15672"]


def test_elsewhere_the_variable_is_asked_for() -> None:
    """With an example."""
    with pytest.raises(
        ImproperlyConfigured, match=r"^BROKER_ADMIN_URL: not set; .* for example BROKER_ADMIN_URL=https://"
    ):
        admin.api(_environment(local=False))


@pytest.mark.parametrize(
    ("url", "name"), [("amqps://u:p@r1/shop", "shop"), ("amqp://u:p@r1", "/"), ("amqp://u:p@r1/", "/")]
)
def test_the_virtual_host_is_the_urls(url: str, name: str) -> None:
    """RabbitMQ's own default has a name, too."""
    assert admin.virtual_host(_environment(local=True, broker=url)) == name
