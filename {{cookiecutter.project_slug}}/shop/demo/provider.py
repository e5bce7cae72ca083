"""A payment provider for rehearsals: python -m shop.demo.provider PORT CERTIFICATE KEY [LEDGER].

Anybody may "pay" there: it runs where nothing real is. LEDGER is a file that gets a line a charge, with its card: one
that was charged under two keys stands there twice.
"""

import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4


class Provider(ThreadingHTTPServer):
    """Remembers what it answered to which Idempotency-Key."""

    daemon_threads = True

    def __init__(self, port: int, ledger: Path | None) -> None:
        super().__init__(("", port), _Charge)
        self._ledger = ledger
        self._answers = _read(ledger) if ledger and ledger.exists() else {}
        self._lock = Lock()

    def charge(self, key: str, wanted: dict[str, Any]) -> dict[str, str]:
        """Decide once a key; a card that ends in 0 is declined."""
        with self._lock:
            if key not in self._answers:
                declined = str(wanted["card_token"]).endswith("0")
                answer = {"status": "declined" if declined else "succeeded", "reference": uuid4().hex}
                self._answers[key] = answer
                if self._ledger:
                    with self._ledger.open("a", encoding="utf-8") as lines:
                        lines.write(json.dumps({"key": key, "card": wanted["card_token"], "answer": answer}) + "\n")
            return self._answers[key]


def _read(ledger: Path) -> dict[str, dict[str, str]]:
    """What was answered before a restart."""
    charges = map(json.loads, ledger.read_text(encoding="utf-8").splitlines())
    return {charge["key"]: charge["answer"] for charge in charges}


class _Charge(BaseHTTPRequestHandler):
    server: Provider

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps(self.server.charge(self.headers["Idempotency-Key"], wanted)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


def main(port: str, certificate: str, key: str, ledger: str = "") -> None:
    """Serve until it is ended."""
    provider = Provider(int(port), Path(ledger) if ledger else None)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    provider.socket = context.wrap_socket(provider.socket, server_side=True, do_handshake_on_connect=False)
    provider.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
