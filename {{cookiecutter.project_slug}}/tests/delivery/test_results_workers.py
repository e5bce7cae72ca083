"""Real workers whose Redis of results goes away while they work."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import until
from tests.delivery.away import Store
from tests.delivery.ground import Ground
from tests.delivery.worker import Worker

POOLS = ("prefork", "spawn", "threads", "gevent", "solo")


@pytest.fixture
def ground(request: pytest.FixtureRequest, results: Store) -> Ground:
    """The ground that the test's parameter names, with a Redis for results apart from the broker's."""
    made: Ground = request.getfixturevalue(getattr(request, "param", "on_sqlite"))
    made.env["RESULT_URL"] = results.url
    return made


def asked(ground: Ground, expression: str) -> Any:
    """What a client in a process of its own gets."""
    done = ground.run("-m", "tests.delivery.answers", expression)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def kept(ground: Ground, kind: str) -> int:
    """Of how many tasks something of a kind is kept in the database: Celery stores a time limit's failure twice."""
    return int(ground.sql("SELECT count(DISTINCT key) FROM delivery_keptresult WHERE kind = %s", kind)[0][0])


def drained(ground: Ground) -> None:
    """Have a relay bring everything back; a claim of somebody who is gone lapses first."""
    with ground.relays():
        until(lambda: kept(ground, "part") + kept(ground, "result") == 0, "the drain")


def lost(worker: Worker) -> list[dict[str, Any]]:
    """What a worker says is lost."""
    return worker.events("result_lost")


PART = "batch('report_part').delay(start='2026-03-01T00:00:00+00:00', end='2026-03-02T00:00:00+00:00')"
#: One that wants a result, and one that wants none.
FAILING = "batch('report_part').delay(start='no date', end=''), batch('combine_report').delay('no parts', report_id=0)"


@pytest.mark.parametrize("pool", POOLS)
def test_no_result_is_lost_in_any_pool(ground: Ground, results: Store, pool: str) -> None:
    """Redis falls silent: results and failures are there during the outage and after it, on time."""
    worker = ground.worker(pool=pool)
    results.silence()
    ids = asked(ground, f"[sent.id for sent in [{PART} for _ in range(20)] + [{FAILING}]]")
    began = time.monotonic()
    until(lambda: kept(ground, "result") == 22, "22 results in the database")
    took = time.monotonic() - began
    assert all(asked(ground, f"[app.AsyncResult(id).get(timeout=9) for id in {ids[:20]}]"))
    assert asked(ground, f"[app.AsyncResult(id).state for id in {ids[20:]}]") == ["FAILURE"] * 2
    results.wake()
    drained(ground)
    assert len(results.client().keys("celery-task-meta-*")) == 22
    assert not lost(worker)
    assert took < 30


@pytest.mark.parametrize("ground", ["on_sqlite", "on_postgresql"], indirect=True)
def test_the_body_of_a_chord_runs_once_after_the_outage(ground: Ground, results: Store, tmp_path: Path) -> None:
    """Its parts end while Redis is silent."""
    worker = ground.worker(slots=3)
    body = asked(ground, f"chord([double.s(n, {str(tmp_path)!r}) for n in range(3)])(add_up.s()).id")
    results.silence()
    (tmp_path / "go").touch()
    until(lambda: kept(ground, "part") == 3, "three parts in the database")
    assert not ground.ledger("sum")
    results.wake()
    drained(ground)
    until(lambda: ground.ledger("sum"), "the body's run")
    assert asked(ground, f"app.AsyncResult({body!r}).get(timeout=20)") == 6
    assert ground.ledger("sum") == [6]
    assert not lost(worker)


def test_the_main_process_stores_a_failure_and_goes_on(ground: Ground, results: Store) -> None:
    """It is the one that ends a task at its time limit: with Redis silent it must not stand still."""
    worker = ground.worker(slots=1)
    results.silence()
    [late] = asked(ground, "[stand.delay().id]")
    [next_one] = asked(ground, "[double.delay(2).id]")
    until(lambda: kept(ground, "result") == 2, "both results in the database")
    assert asked(ground, f"[app.AsyncResult(id).state for id in {[late, next_one]}]") == ["FAILURE", "SUCCESS"]
    assert not lost(worker)


@pytest.mark.parametrize("ground", ["on_sqlite", "on_postgresql"], indirect=True)
def test_no_connection_is_left_open_where_none_was(ground: Ground, results: Store) -> None:
    """A worker's main process would hand it down to the children that it starts."""
    results.stop()
    assert asked(ground, "kept_with_a_connection_left_open()") is False
    assert kept(ground, "result") == 1


@pytest.mark.parametrize("ground", ["on_postgresql"], indirect=True)
def test_what_is_kept_does_not_go_with_a_rollback(ground: Ground, results: Store) -> None:
    """The task's own transaction is none of its business. On SQLite, with one writer, it waits for itself."""
    results.stop()
    assert asked(ground, "kept_despite_a_rollback()") is True


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_with_everything_away_a_worker_works_on(ground: Ground, results: Store, silent: int, pool: str) -> None:
    """Redis and database are silent. Each result that is lost is told with its id, and the tasks go on."""
    worker = ground.worker(pool=pool, DATABASE_URL=f"postgres://u:p@127.0.0.1:{silent}/shop")
    results.silence()
    ids = asked(ground, "[double.delay(n).id for n in range(20)]")
    began = time.monotonic()
    until(lambda: len(lost(worker)) == 20, "20 results told as lost")
    assert {line["key"] for line in lost(worker)} == {f"celery-task-meta-{task_id}" for task_id in ids}
    assert time.monotonic() - began < 30
    results.wake()
    # Until the worker tries Redis again, up to ten seconds, results are still lost, each of them told.
    until(lambda: asked(ground, "within(5, double.delay(4))") == 8, "a result as ever")
