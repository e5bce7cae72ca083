"""A Redis for results that these tests stop, silence, empty and fill."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import DatabaseError, connection

from config.celery import app
from tests.conftest import NotInTimeError, free_port, start, steady, until
from workers.brokers.redis.results import Backend
from workers.delivery.results.drain import drain_once
from workers.local.redis_server import find_server


@dataclass
class Store:
    """A redis-server; its data lives as long as its process."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For RESULT_URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, empty."""
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder))
        self.process = start(
            [find_server(), *options], os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with self.client() as client:
            until(lambda: _answers(client), "the start of the Redis of results")

    def stop(self) -> None:
        """Stop it; connections are refused from now on."""
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def silence(self) -> None:
        """Let it take connections and commands, and answer none."""
        assert self.process
        os.kill(self.process.pid, signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        assert self.process
        os.kill(self.process.pid, signal.SIGCONT)

    def fill(self) -> None:
        """Let it have no memory for another write."""
        with self.client() as client:
            client.config_set("maxmemory", 1)

    def make_room(self) -> None:
        """Let it take writes again."""
        with self.client() as client:
            client.config_set("maxmemory", 0)

    @contextmanager
    def watched(self) -> Iterator[int]:
        """Have a Sentinel watch over it, as "main"; the value is its port."""
        port, file = free_port(), self.folder / "sentinel.conf"
        file.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {self.folder}\nsentinel monitor main 127.0.0.1 {self.port} 1\n"
        )
        command: list[str | Path] = [find_server(), file, "--sentinel"]
        process = start(command, os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with redis.Redis(port=port, socket_timeout=1) as sentinel:
                until(lambda: _answers(sentinel), "the Sentinel's start")
            yield port
        finally:
            process.kill()
            process.wait()

    def client(self) -> "redis.Redis":
        """A client of its own, beside the application's."""
        return redis.Redis(port=self.port, socket_timeout=5, decode_responses=True)


@pytest.fixture
def results(redis_server: str, tmp_path: Path) -> Iterator[Store]:  # noqa: ARG001 - which skips where there is none
    """A Redis for results, until the end of the test."""
    store = Store(tmp_path)
    store.start()
    yield store
    store.stop()


@pytest.fixture
def backend(results: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """The application's store of results, on that Redis and the tests' database."""
    made = another(results)
    monkeypatch.setattr(app, "_backend_cache", made)
    yield made
    made.client.close()


def another(store: Store) -> Backend:
    """As another process would have it: it knows nothing of what the first one knows."""
    return Backend(app=app, url=store.url)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail the test where the block takes longer."""
    began = steady()
    yield
    took = steady() - began
    if took > seconds:
        raise NotInTimeError(f"it took {took:.2f} s")


def until_back(store: Backend) -> None:
    """Wait until the breaker lets a command through."""
    until(lambda: _answers(store.client), "the end of the outage")


def _answers(client: Any) -> bool:
    try:
        return bool(client.ping())
    except (redis.RedisError, ConnectionError):
        return False


def relays(number: int) -> None:
    """So many relays bring back what is kept, side by side, to the end."""
    threads = [threading.Thread(target=_relay) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _relay() -> None:
    with suppress(DatabaseError):  # the tests' database in memory locks a whole table; a relay would try again
        drain_once()
    connection.close()
