"""Nobody waits for a result without an end."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from celery import states
from celery.exceptions import TimeoutError as NotDoneError
from celery.result import AsyncResult, ResultSet

from config.celery import app
from tests.conftest import steady
from tests.delivery.away import Store, at_most
from workers.brokers.redis.results import Backend
from workers.delivery.results import waiting

pytestmark = pytest.mark.django_db(transaction=True)

GROUP = ("a", "b", "c")


def _group() -> Any:
    return app.GroupResult("group", [app.AsyncResult(name) for name in GROUP])


WAITS: dict[str, Callable[[], Any]] = {
    "get": lambda: app.AsyncResult("a").get(),
    "a plain AsyncResult": lambda: AsyncResult("a", app=app).get(),
    "a group's get": lambda: _group().get(),
    "a group's join": lambda: _group().join(),
    "a set's join": lambda: app.ResultSet([app.AsyncResult(name) for name in GROUP]).join(),
    "iterating": lambda: list(_group().iter_native()),
}


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("fault", ["nothing", "stop", "silence"])
@pytest.mark.parametrize("wait", WAITS)
def test_a_wait_without_a_time_out_ends(results: Store, monkeypatch: pytest.MonkeyPatch, wait: str, fault: str) -> None:
    """Whatever is waited for, and whatever Redis does meanwhile; with an error that says what to do."""
    monkeypatch.setattr(waiting, "DEFAULT", 0.4)
    getattr(results, fault, lambda: None)()
    with at_most(2.5), pytest.raises(NotDoneError, match=r"not done within 0\.4 s"):
        WAITS[wait]()


@pytest.mark.usefixtures("backend")
def test_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default is somebody's choice, and not the caller's."""
    monkeypatch.setattr(waiting, "DEFAULT", 0.1)
    with pytest.raises(NotDoneError, match=r"^task a was not done within 0\.1 s \(the default: pass timeout=\)$"):
        app.AsyncResult("a").get()
    with pytest.raises(NotDoneError, match=r"^task a was not done within 0\.05 s$"):
        app.AsyncResult("a").get(timeout=0.05)


def test_a_result_is_seen_soon_after_it_is_there(backend: Backend) -> None:
    """Without a subscription: looked for often at first, and then at a twentieth of the time waited."""
    stored = []
    ahead = time.monotonic() - steady()

    def store() -> None:
        time.sleep(0.4)
        backend.store_result("a", 7, states.SUCCESS)
        stored.append(time.monotonic() - ahead)

    thread = threading.Thread(target=store)
    thread.start()
    assert app.AsyncResult("a").get(timeout=10) == 7
    seen = steady()
    thread.join()
    assert seen - stored[0] <= 0.1


@pytest.mark.parametrize("kind", [app.ResultSet, lambda results: app.GroupResult("group", results)])
def test_joining_is_bounded_as_a_whole(backend: Backend, monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    """Celery's `join` would give each of its results the whole time."""
    monkeypatch.setattr(waiting, "DEFAULT", 1.0)
    late = threading.Timer(0.7, backend.store_result, ("a", 1, states.SUCCESS))
    late.start()
    with at_most(1.4), pytest.raises(NotDoneError, match="task b was not done"):
        kind([app.AsyncResult(name) for name in GROUP]).join()
    late.join()


def test_a_wait_lives_through_an_outage(results: Store, backend: Backend) -> None:
    """What is stored elsewhere meanwhile is found by who waited already."""
    outcome: list[Any] = []
    thread = threading.Thread(target=lambda: outcome.append(_group().get(timeout=20)))
    thread.start()
    backend.store_result("a", 1, states.SUCCESS)
    results.stop()
    backend.store_result("b", 2, states.SUCCESS)
    results.start()  # empty: what it held, and nobody fetched, is lost with it
    backend.store_result("a", 1, states.SUCCESS)
    backend.store_result("c", 3, states.SUCCESS)
    thread.join(20)
    assert outcome == [[1, 2, 3]]


def test_an_error_is_raised_where_it_is_waited_for(results: Store, backend: Backend) -> None:
    """Through the other store, too."""
    results.stop()
    backend.store_result("a", ValueError("no such row"), states.FAILURE)
    with pytest.raises(ValueError, match="no such row"):
        app.AsyncResult("a").get(timeout=5)
    assert repr(ResultSet([app.AsyncResult("a")]).get(timeout=5, propagate=False)) == "[ValueError('no such row')]"


def test_the_groups_of_the_application_are_ours() -> None:
    """`join` of Celery's waits for one result after the other, each without an end."""
    assert issubclass(app.GroupResult, waiting.GroupResult)
    assert issubclass(app.ResultSet, waiting.ResultSet)
