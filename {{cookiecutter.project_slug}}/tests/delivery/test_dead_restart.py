"""Letters survive the broker: a Redis that is killed and comes back has what it had confirmed."""

import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from tests.conftest import free_port
from tests.delivery.letters import connect_to, give_up
from workers.delivery.dead.collect import collect_once
from workers.delivery.models import DeadLetter
from workers.local.redis_server import embedded_redis

pytestmark = pytest.mark.django_db


def test_letters_survive_the_death_of_redis(redis_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the file that it appends to; and the sender's own connection finds the new one."""
    password = urlsplit(redis_server).password  # that one is up, so there is a server to start
    url = f"redis://:{password}@127.0.0.1:{free_port()}/0"
    connect_to(url, monkeypatch)
    with embedded_redis(url, tmp_path), Redis.from_url(url) as client:
        give_up("before")
        os.kill(client.info("server")["process_id"], signal.SIGKILL)
    with embedded_redis(url, tmp_path):
        give_up("after")
        assert collect_once() == 2
    assert set(DeadLetter.objects.values_list("task_id", flat=True)) == {"before", "after"}
