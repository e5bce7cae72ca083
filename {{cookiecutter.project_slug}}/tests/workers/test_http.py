"""The HTTP client of tasks: one a process, bounded in time and in tries."""

import os
import socket
import threading
import time

import pytest
import requests

from workers import http


def test_a_process_has_one_session() -> None:
    """Its connections are kept and used again."""
    assert http.session() is http.session()


def test_a_fork_gets_a_session_of_its_own() -> None:
    """Two processes that write into one socket garble each other's requests."""
    parent = http.session()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b"own" if http.session() is not parent else b"shared")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"own"


def test_a_silent_server_ends_in_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server takes the connection and never answers: the default time-out ends the wait."""
    monkeypatch.setattr(http, "READ_TIMEOUT", 0.3)
    started = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(requests.Timeout):
        http.session().get(f"http://127.0.0.1:{silent.getsockname()[1]}/")
    assert time.monotonic() - started < 10


def test_a_refused_connection_is_tried_again_for_a_bounded_time() -> None:
    """A server that restarts is back within a second; one that is gone is an error within a few."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        http.session().get(f"http://127.0.0.1:{port}/")
    assert time.monotonic() - started < 10


def test_an_answer_is_never_retried_here() -> None:
    """A 503 is the task's to retry, with back-off of minutes, while its slot serves others."""
    requests_seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                requests_seen.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        answer = http.session().post(f"http://127.0.0.1:{server.getsockname()[1]}/charge", data=b"x")
        thread.join()
    assert (answer.status_code, len(requests_seen)) == (503, 1)
