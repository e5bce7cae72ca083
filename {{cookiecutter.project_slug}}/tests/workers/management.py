"""A management API that holds what is put into it, as RabbitMQ's does: as much of it as this project asks for."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

VIRTUAL_HOST = "shop"
PASSWORD = "only-for-tests"
KINDS = ("exchanges", "queues", "policies")


@dataclass
class Management:
    """What the API shows and has; tests change it directly."""

    overview: dict[str, Any] = field(default_factory=lambda: {"node": "rabbit@r1", "rabbitmq_version": "4.0.5"})
    nodes: list[dict[str, Any]] = field(default_factory=list)
    connections: list[dict[str, Any]] = field(default_factory=list)
    things: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    bindings: list[dict[str, Any]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    """Paths that the user may not see."""
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> SplitResult:
        """For BROKER_ADMIN_URL."""
        return urlsplit(f"http://monitoring:{PASSWORD}@127.0.0.1:{self.port}")

    def get(self, kind: str, virtual_host: str | None) -> Any:
        """What there is; None for a virtual host that there is not."""
        if virtual_host is None:
            return getattr(self, kind)
        if virtual_host != VIRTUAL_HOST:
            return None
        return self.bindings if kind == "bindings" else list(self.things[kind].values())

    def put(self, kind: str, name: str, body: dict[str, Any]) -> None:
        """Make it or change it."""
        self.things[kind][name] = {"name": name, **body}

    def bind(self, source: str, kind: str, destination: str, key: str) -> None:
        """Add a binding."""
        to = {"q": "queue", "e": "exchange"}[kind]
        binding = {"source": source, "destination_type": to, "destination": destination, "routing_key": key}
        self.bindings.append(binding)


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_GET(self) -> None:
        kind, virtual_host, _ = self._path()
        if kind in self.server.state.refused:
            self._answer(401, {"error": "not_authorised", "reason": "Not monitor user"})
            return
        found = self.server.state.get(kind, virtual_host)
        self._answer(404 if found is None else 200, {"reason": "Not Found"} if found is None else found)

    def do_PUT(self) -> None:
        kind, virtual_host, names = self._path()
        if self._is_there(virtual_host):
            self.server.state.put(kind, names[0], self._body())
            self._answer(201, None)

    def do_POST(self) -> None:
        _, virtual_host, (_, source, kind, destination) = self._path()
        if self._is_there(virtual_host):
            self.server.state.bind(source, kind, destination, self._body()["routing_key"])
            self._answer(201, None)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _path(self) -> tuple[str, str | None, list[str]]:
        self.server.state.asked.append(f"{self.command} {self.path}")
        parts = [unquote(part) for part in urlsplit(self.path).path.removeprefix("/api/").split("/")]
        return parts[0], parts[1] if len(parts) > 1 else None, parts[2:]

    def _is_there(self, virtual_host: str | None) -> bool:
        if virtual_host != VIRTUAL_HOST:
            self._answer(404, {"error": "not_found", "reason": "vhost_not_found"})
        return virtual_host == VIRTUAL_HOST

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return body

    def _answer(self, status: int, data: object) -> None:
        text = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class _Server(ThreadingHTTPServer):
    def __init__(self, state: Management) -> None:
        self.state = state
        super().__init__(("127.0.0.1", 0), _Handler)


@contextmanager
def serving() -> Iterator[Management]:
    """A server of it on this machine."""
    state = Management()
    with _Server(state) as server:
        state.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield state
        server.shutdown()
        thread.join(10)
