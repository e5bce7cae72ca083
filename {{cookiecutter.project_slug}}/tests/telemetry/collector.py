"""A local stand-in for an OpenTelemetry collector and for Sentry: it keeps what is sent to it."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """What the tests read of a span."""

    name: str
    trace: bytes
    identity: bytes
    parent: bytes
    resource: dict[str, str]
    text: str


@dataclass
class Collector:
    """What came in so far."""

    port: int = 0
    spans: list[Span] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a process that sends here."""
        address = f"127.0.0.1:{self.port}"
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{address}", "SENTRY_DSN": f"http://key@{address}/1"}

    def take(self, path: str, body: bytes) -> None:
        """Keep one request."""
        if path == "/v1/traces":
            self.spans += _spans(body)
        elif path.startswith("/api/1/envelope"):
            self.events += _events(body)


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Listen on a free port until the block ends."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.take(self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.port = server.server_port
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()


def _spans(body: bytes) -> Iterator[Span]:
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = {item.key: item.value.string_value for item in group.resource.attributes}
        for scope in group.scope_spans:
            for span in scope.spans:
                yield Span(span.name, span.trace_id, span.span_id, span.parent_span_id, resource, str(span))


def _events(body: bytes) -> Iterator[dict[str, Any]]:
    lines = body.split(b"\n")[1:]
    for header, payload in zip(lines[::2], lines[1::2], strict=False):
        if header and json.loads(header)["type"] == "event":
            yield json.loads(payload)
