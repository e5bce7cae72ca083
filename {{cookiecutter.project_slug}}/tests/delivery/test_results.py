"""A result is stored and found, whatever becomes of its Redis, and nobody waits for that."""

from typing import Any, cast

import pytest
from celery import states
from celery.app.task import Context
from celery.exceptions import TaskRevokedError

from config.celery import app
from tests.delivery.away import Store, another, at_most, until_back
from workers.brokers.redis.results import Backend, SentinelBackend
from workers.delivery.models import KeptResult
from workers.delivery.results import breaker
from workers.delivery.results.drain import drain_once

pytestmark = pytest.mark.django_db(transaction=True)

#: Seconds that the first call may take of a Redis that fell silent, and one of many while it is known to be away.
FIRST, NEXT = 2.0, 0.2


def _store(backend: Backend, task_id: str, result: Any = 1, state: str = states.SUCCESS) -> None:
    backend.store_result(task_id, result, state)


@pytest.mark.parametrize("fault", ["stop", "silence", "fill"])
def test_a_result_is_stored_and_found_while_redis_is_away(
    results: Store, backend: Backend, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Stopped, silent or full: each result is there at once, in another process as well."""
    monkeypatch.setattr(breaker, "PAUSES", (60.0, 60.0))  # until it tries again, which costs the second it waits for
    getattr(results, fault)()
    with at_most(FIRST):
        _store(backend, "first", 1)
    for number in range(20):
        with at_most(NEXT):
            _store(backend, f"next-{number}", number)
    reader = another(results)
    with at_most(FIRST):
        assert reader.get_task_meta("first")["result"] == 1
    assert [reader.get_result(f"next-{number}") for number in range(20)] == list(range(20))


def test_it_is_found_before_and_after_it_was_brought_back(results: Store, backend: Backend) -> None:
    """Whoever asks need not know where it is."""
    results.stop()
    _store(backend, "task", {"rows": 3})
    results.start()
    assert another(results).get_result("task") == {"rows": 3}
    until_back(backend)
    assert drain_once() == 1
    assert not KeptResult.objects.exists()
    assert backend.get_result("task") == {"rows": 3}
    assert results.client().ttl("celery-task-meta-task") > 86_390


@pytest.mark.parametrize("ignored", [True, False])
def test_a_failure_is_kept_with_its_exception(results: Store, backend: Backend, ignored: bool) -> None:
    """Also of a task whose result nobody wants (task_store_errors_even_if_ignored)."""
    results.stop()
    request = Context(id="task", task="t", ignore_result=ignored)
    backend.mark_as_failure("task", ValueError("no such row"), traceback="in line 1", request=request)
    meta = another(results).get_task_meta("task")
    assert meta["status"] == states.FAILURE
    assert repr(meta["result"]) == "ValueError('no such row')"
    assert meta["traceback"] == "in line 1"


def test_a_cancelled_task_holds_up_a_worker_by_two_seconds_in_all(results: Store, backend: Backend) -> None:
    """Its main process marks it as retried and then as revoked when the broker is lost, with Redis away, too."""
    results.silence()
    request = Context(id="task", task="t")
    with at_most(FIRST):
        backend.mark_as_retry("task", RuntimeError("connection lost"), request=request)
        backend.mark_as_revoked("task", "terminated", request=request)
        backend.mark_as_failure("task", RuntimeError("lost"), request=request)
    assert isinstance(another(results).get_result("task"), TaskRevokedError | RuntimeError)


def test_a_passing_state_is_not_kept(results: Store, backend: Backend) -> None:
    """A storm of retries or of progress must not become one of the database."""
    results.stop()
    for state in (states.STARTED, states.RETRY, "PROGRESS"):
        _store(backend, "task", {"done": 1}, state)
    assert not KeptResult.objects.exists()
    assert backend.get_state("task") == states.PENDING


@pytest.mark.parametrize("state", [states.SUCCESS, states.FAILURE, states.REVOKED, states.RETRY, "PROGRESS"])
def test_every_state_expires(results: Store, backend: Backend, state: str) -> None:
    """In a day, so that Redis does not fill up with what nobody fetched."""
    _store(backend, "task", ValueError("x") if state in states.EXCEPTION_STATES else 1, state)
    assert 86_390 < results.client().ttl("celery-task-meta-task") <= 86_400


def test_what_is_kept_expires(results: Store, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Redis stays away for more than a day, too."""
    monkeypatch.setattr(backend, "expires", -1)
    results.stop()
    _store(backend, "task")
    assert KeptResult.objects.count() == 1
    assert backend.get_state("task") == states.PENDING
    drain_once()
    assert not KeptResult.objects.exists()


def test_a_success_is_not_replaced(results: Store, backend: Backend) -> None:
    """As Celery has it: a task that was taken for lost, and ends well, did end well."""
    results.stop()
    _store(backend, "task", "done")
    _store(backend, "task", RuntimeError("lost"), states.FAILURE)
    assert another(results).get_result("task") == "done"
    results.start()
    until_back(backend)
    drain_once()
    assert backend.get_result("task") == "done"


def test_a_group_is_saved_and_restored_while_redis_is_away(results: Store, backend: Backend) -> None:
    """A page that polls an import has nothing but the group's id."""
    saved = app.GroupResult("group", [app.AsyncResult("a"), app.AsyncResult("b")])
    results.stop()
    saved.save()
    assert app.GroupResult.restore("group", backend=another(results)) == saved
    results.start()
    until_back(backend)
    drain_once()
    assert app.GroupResult.restore("group") == saved


def test_what_is_forgotten_is_gone_from_both(results: Store, backend: Backend) -> None:
    """A result with personal data, for example."""
    results.stop()
    _store(backend, "task")
    results.start()
    until_back(backend)
    app.AsyncResult("task").forget()
    assert not KeptResult.objects.exists()
    assert backend.get_state("task") == states.PENDING


def test_sending_a_task_asks_nothing_of_redis(results: Store, backend: Backend) -> None:
    """Celery subscribes to a channel for each task that it sends, and could not send one now."""
    results.silence()
    with at_most(0.05):
        backend.on_task_call(None, "task")


def test_a_result_that_nobody_can_take_is_told(
    results: Store, backend: Backend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With its task's id, and without an exception: the task itself is done."""
    monkeypatch.setattr(type(backend.keeper.journal), "add", _unreachable)
    results.stop()
    _store(backend, "task-7", "done")
    [line] = [str(line.msg) for line in caplog.records if "result_lost" in str(line.msg)]
    assert "celery-task-meta-task-7" in line
    assert "database is gone" in line


def test_a_silent_database_holds_up_nobody(results: Store, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis and the database both: two seconds in all, and nothing for the results after it."""
    import threading

    silent = threading.Event()
    monkeypatch.setattr(type(backend.keeper.journal), "add", lambda *_: silent.wait(60))
    monkeypatch.setattr(breaker, "PAUSES", (60.0, 60.0))
    results.stop()
    with at_most(FIRST):
        _store(backend, "first")
    for number in range(20):
        with at_most(NEXT):
            _store(backend, f"next-{number}")
    silent.set()


@pytest.mark.parametrize("fault", ["stop", "silence"])
def test_the_same_holds_behind_sentinels(results: Store, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """There it does not wait for a new primary either: that takes 4 s, and the results come back after it."""
    with results.watched() as port:
        options = {**app.conf.result_backend_transport_options, "sentinels": {"addresses": [("127.0.0.1", port)]}}
        monkeypatch.setitem(cast("Any", app.conf.changes), "result_backend_transport_options", options)
        backend = SentinelBackend(app=app, url="sentinel://main/0")
        monkeypatch.setattr(app, "_backend_cache", backend)
        _store(backend, "before")
        getattr(results, fault)()
        with at_most(3):
            _store(backend, "first")
        with at_most(NEXT):
            _store(backend, "next", 2)
        assert backend.get_result("next") == 2
        results.stop()
        results.start()
        until_back(backend)
        assert drain_once() == 2
        assert set(results.client().keys()) == {"celery-task-meta-first", "celery-task-meta-next"}
        backend.client.close()


def test_all_threads_share_one_store(results: Store) -> None:
    """Celery makes one a thread, which for gevent is one a task: each would connect, and wait for a silent Redis."""
    from threading import Thread

    from celery import Celery

    url = f"workers.brokers.redis.results:Backend+{results.url}"
    threaded = Celery("t", set_as_current=False, backend=url)
    threaded.conf.result_backend_transport_options = app.conf.result_backend_transport_options
    stores: list[Any] = []
    for _ in range(4):
        thread = Thread(target=lambda: stores.append(threaded.backend))
        thread.start()
        thread.join()
    assert len(set(map(id, stores))) == 1


@pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")
def test_storing_costs_no_more_than_celerys_own(results: Store, backend: Backend) -> None:
    """While all is well: measured in this process's own time, the best of ten rounds each, in turn."""
    from celery.backends.redis import RedisBackend

    stock = RedisBackend(app=app, url=results.url)
    rounds = [(_round(backend, number), _round(stock, number)) for number in range(10)]
    stock.client.close()
    ours, theirs = map(min, zip(*rounds, strict=True))
    assert ours / theirs <= 1.05


def _round(store: Any, number: int, stores: int = 150) -> float:
    from time import process_time

    began = process_time()
    for item in range(stores):
        store.store_result(f"{type(store).__module__}-{number}-{item}", item, states.SUCCESS)
    return process_time() - began


def _unreachable(*_: Any) -> None:
    raise RuntimeError("database is gone")
