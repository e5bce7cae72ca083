"""The other store of results: an S3-compatible bucket, here moto's server."""

from collections.abc import Iterator
from typing import Any, cast

import boto3
import pytest
from botocore.config import Config
from celery import states
from moto.server import ThreadedMotoServer

from config.celery import app
from tests.conftest import free_port
from tests.delivery.away import Store, at_most, until_back
from workers.brokers.redis.results import Backend
from workers.delivery.results.drain import drain_once
from workers.delivery.results.journal import PART, RESULT, Entry
from workers.delivery.results.keeper import open_journal

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
DAY = 86_400.0


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """A server; the value is its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    yield f"http://127.0.0.1:{server._port}"
    server.stop()


@pytest.fixture
def url(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """RESULT_FALLBACK_URL of an empty bucket on it."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    name = f"results-{free_port()}"
    client = boto3.client(
        "s3", endpoint_url=s3, region_name="us-east-1", config=Config(s3={"addressing_style": "path"})
    )
    client.create_bucket(Bucket=name)
    return f"s3://{name}/kept/here?endpoint={s3}&region=us-east-1"


@pytest.fixture
def stored(results: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """The application's store of results, with that bucket to fall back on."""
    options = {**app.conf.result_backend_transport_options, "fallback": {"url": url, "project": "p", "ca_file": None}}
    monkeypatch.setitem(cast("Any", app.conf.changes), "result_backend_transport_options", options)
    made = Backend(app=app, url=results.url)
    monkeypatch.setattr(app, "_backend_cache", made)
    yield made
    made.client.close()


@pytest.mark.parametrize("fault", ["stop", "silence", "fill"])
def test_results_are_kept_and_found(results: Store, stored: Backend, fault: str) -> None:
    """As in the database."""
    getattr(results, fault)()
    with at_most(3):
        stored.store_result("first", {"rows": 3}, states.SUCCESS)
    stored.mark_as_failure("second", ValueError("no such row"))
    assert stored.get_result("first") == {"rows": 3}
    assert repr(stored.get_result("second")) == "ValueError('no such row')"
    assert stored.get_state("third") == states.PENDING
    found = dict(stored.get_many(["first", "second"], timeout=5))
    assert [found[name]["status"] for name in ("first", "second")] == [states.SUCCESS, states.FAILURE]


def test_they_come_back(results: Store, stored: Backend) -> None:
    """Once, and nothing is left in the bucket."""
    results.stop()
    for number in range(5):
        stored.store_result(f"task-{number}", number, states.SUCCESS)
    results.start()
    until_back(stored)
    assert drain_once() == 5
    assert drain_once() == 0
    assert stored.keeper.journal.is_empty()
    assert stored.get_result("task-4") == 4
    assert 86_300 < results.client().ttl("celery-task-meta-task-4") <= 86_400


def test_a_name_tells_everything(url: str) -> None:
    """What a task's id is made of is the sender's choice: slashes, for example."""
    journal = open_journal(url, "p", None)
    journal.add(Entry(PART, "a/b c-ä", states.FAILURE, b"{}", DAY))
    [entry] = journal.entries()
    assert (entry.kind, entry.key, entry.state, entry.value) == (PART, "a/b c-ä", states.FAILURE, b"{}")
    assert DAY - 10 < entry.lifetime <= DAY
    assert 0 <= entry.age < 10


def test_an_expired_entry_is_removed(url: str) -> None:
    """And not found before that."""
    journal = open_journal(url, "p", None)
    journal.add(Entry(RESULT, "task", states.SUCCESS, b"{}", -5))
    assert not journal.find(["task"])
    assert not list(journal.entries())
    journal.remove_expired()
    assert journal.is_empty()


def test_without_a_prefix_it_is_the_projects(url: str) -> None:
    """Two projects on one bucket must not drain each other's results."""
    bucket = url.replace("/kept/here", "")
    open_journal(bucket, "one", None).add(Entry(RESULT, "task", states.SUCCESS, b"{}", DAY))
    assert open_journal(bucket, "other", None).is_empty()
    assert not open_journal(bucket, "one", None).is_empty()


def test_more_than_a_page_is_listed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing has a thousand names at most."""
    monkeypatch.setattr("workers.delivery.results.bucket.PAGE", 2)
    journal = open_journal(url, "p", None)
    for number in range(5):
        journal.add(Entry(RESULT, f"task-{number}", states.SUCCESS, b"1", DAY))
    assert len(list(journal.entries())) == 5


def test_a_silent_bucket_holds_up_nobody(results: Store, stored: Backend) -> None:
    """Redis and the bucket both: bounded, and told."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        stored.keeper._open = lambda: open_journal(f"s3://b?endpoint=http://127.0.0.1:{port}&region=x", "p", None)
        results.stop()
        with at_most(3):
            stored.store_result("task", 1, states.SUCCESS)
        with at_most(0.2):
            stored.store_result("task", 1, states.SUCCESS)


def test_boto_is_imported_only_where_a_bucket_is_named() -> None:
    """It takes 0.3 s and 30 MiB of each process."""
    import subprocess
    import sys

    code = "import django, sys; django.setup(); import workers.delivery.results.drain; print('boto3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240)
    assert done.stdout.split() == ["False"]
