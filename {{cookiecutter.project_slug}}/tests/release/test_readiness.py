"""Asking the web whether it is ready: what it says otherwise is quoted."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from threading import Thread

import pytest

from workers.release.readiness import NotReadyError, Web


@contextmanager
def _web(path: Path, *answers: tuple[int, str]) -> Iterator[None]:
    """Gives each answer once, and the last one for ever."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Not into the tests' output."""

        def address_string(self) -> str:
            return ""

    with ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:  # or a test that fails hangs
            server.shutdown()
            thread.join()


def _unready(**states: str) -> tuple[int, str]:
    return 503, json.dumps({"ready": False, "components": {name: {"status": state} for name, state in states.items()}})


def _asked(path: Path, patience: float) -> None:
    now = [0.0]
    Web(path, lambda seconds: now.__setitem__(0, now[0] + seconds), lambda: now[0]).wait_ready(patience)


def test_it_waits(tmp_path: Path) -> None:
    """A web that is not ready yet is asked again."""
    path = tmp_path / "web.sock"
    with _web(path, _unready(database="timeout"), (200, "{}")):
        _asked(path, patience=5)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_unready(database="failed", broker="ok", results="timeout"), "503, database: failed, results: timeout"),
        ((500, "<h1>Server Error</h1>"), "500, <h1>Server Error</h1>"),
        ((404, "[1]"), "404, [1]"),
    ],
)
def test_what_it_says_is_quoted(tmp_path: Path, answer: tuple[int, str], said: str) -> None:
    """Components by name; else the beginning of the page."""
    path = tmp_path / "web.sock"
    with _web(path, answer), pytest.raises(NotReadyError) as error:
        _asked(path, patience=1)
    assert str(error.value) == f"/readyz: {said}"


def test_nobody_listens(tmp_path: Path) -> None:
    """The reason is the system's."""
    with pytest.raises(NotReadyError, match=r"/readyz: no answer \(No such file or directory\)"):
        _asked(tmp_path / "web.sock", patience=0)
