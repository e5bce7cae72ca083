"""Claims one by one: who gets them, who loses them, and what the next one is told."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from celery.exceptions import Retry
from celery.result import EagerResult
from django.db import OperationalError, transaction
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from redis import Redis

from tests.delivery.claims_machine import Database, InRedis, run
from workers.delivery.base import Task
from workers.delivery.idempotency import ClaimBusyError, ClaimLostError, NotStorableError, claim, idempotent
from workers.delivery.idempotency.database import DatabaseStore
from workers.delivery.idempotency.decorator import LEASE_MARGIN
from workers.delivery.idempotency.stores import Busy, Done, Holder, Taken
from workers.delivery.models.claims import Claim, remove_expired

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)


@pytest.fixture
def calls() -> list[int]:
    """What a function was called with, each time it really ran."""
    return []


def pass_by() -> None:
    """Let every lease and every ttl be over."""
    Claim.objects.update(expires_at=Now() - timedelta(seconds=1))


@pytest.mark.parametrize("machine", [Database, InRedis])
def test_whatever_happens_in_whatever_order(machine: Any, redis_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One holder at a time; each with a higher token; nobody ends what is not theirs; both stores alike."""
    run(machine, f"{redis_server}/8", monkeypatch)


def test_what_is_done_is_not_done_again(calls: list[int]) -> None:
    """The second call gets the first one's result, as JSON makes it of both."""

    @idempotent(key="{order}", ttl=DAY)
    def pay(order: int) -> Any:
        calls.append(order)
        return {"paid": (order, 1.5, None)}

    assert pay(7) == pay(order=7) == {"paid": [7, 1.5, None]}
    assert pay(8) == {"paid": [8, 1.5, None]}
    assert calls == [7, 8]


def test_what_failed_is_free_for_the_next_try(calls: list[int]) -> None:
    """Nothing waits for a lease that nobody holds."""

    @idempotent(key="{order}", ttl=DAY)
    def pay(order: int) -> str:
        calls.append(order)
        if len(calls) < 3:
            raise ValueError(order)
        return "paid"

    for _ in range(2):
        with pytest.raises(ValueError, match="7"):
            pay(7)
        assert Claim.objects.get().state == Claim.State.FAILED
    assert pay(7) == "paid"
    assert Claim.objects.get().tries == 3


def test_after_its_ttl_a_call_counts_anew(calls: list[int]) -> None:
    """And the row goes, as a duty of the relay."""

    @idempotent(key="{order}", ttl=DAY)
    def pay(order: int) -> None:
        calls.append(order)

    pay(7)
    before = Claim.objects.get().token
    pass_by()
    pay(7)
    assert calls == [7, 7]
    assert Claim.objects.get().token > before
    assert remove_expired() == 0
    pass_by()
    assert remove_expired() == 1


def test_a_direct_call_is_told_that_somebody_is_at_it(calls: list[int]) -> None:
    """It has no message that could come back later."""

    @idempotent(key="{order}", ttl=DAY)
    def pay(order: int) -> None:
        calls.append(order)
        pay(order)

    with pytest.raises(ClaimBusyError, match=r":7 is being done by somebody else, for 6\d\d s at most"):
        pay(7)
    assert calls == [7]


def test_work_and_its_end_are_one(calls: list[int]) -> None:
    """Rolled back together: the claim is not done, so the work is done by the next call."""

    @idempotent(key="{order}", ttl=DAY)
    def pay(order: int) -> Any:
        calls.append(order)
        with transaction.atomic():
            claim().complete("paid")
            if len(calls) == 1:
                raise ZeroDivisionError
        return "something else"

    with pytest.raises(ZeroDivisionError):
        pay(7)
    assert Claim.objects.get().state == Claim.State.FAILED
    assert pay(7) == pay(7) == "paid"
    assert calls == [7, 7]


def test_an_end_that_was_rolled_back_is_none() -> None:
    """Nor without an exception: what the function returns counts then."""

    @idempotent(key="{order}", ttl=DAY)
    def pay(order: int) -> str:
        with transaction.atomic():
            claim().complete(f"paid {order}")
            transaction.set_rollback(True)
        return "not paid"

    assert pay(7) == pay(7) == "not paid"


@pytest.mark.parametrize("method", ["complete", "verify"])
def test_who_was_taken_over_from_commits_nothing(calls: list[int], method: str) -> None:
    """It believed that no time had passed; its transaction is rolled back."""

    @idempotent(key="{order}", ttl=DAY)
    def pay(order: int) -> Any:
        calls.append(claim().token)
        if len(calls) == 1:
            pass_by()
            assert pay(order) == "second"
        with transaction.atomic():
            Claim.objects.create(
                key=uuid4().hex, state="done", token=1, tries=1, losses=0, claimed_at=Now(), expires_at=Now() + DAY
            )
            claim().verify() if method == "verify" else claim().complete("second")
        return "second"

    with pytest.raises(ClaimLostError):
        pay(7)
    assert calls[1] > calls[0]
    assert Claim.objects.count() == 2  # the claim itself, and the second one's work


@pytest.mark.parametrize("result", [object(), float("nan"), "x" * 70_000], ids=["object", "nan", "long"])
def test_a_result_that_cannot_be_kept_is_an_error_once(calls: list[int], result: Any) -> None:
    """The work is done, so it must not be done again; the next call gets nothing."""

    @idempotent(key="{order}", ttl=DAY)
    def pay(order: int) -> Any:
        calls.append(order)
        return result

    with pytest.raises(NotStorableError, match="the result"):
        pay(7)
    assert pay(7) is None
    assert calls == [7]


def test_a_crash_is_not_waited_for_where_it_is_known() -> None:
    """The same task with one loss more: the worker has seen its process die."""
    store = DatabaseStore()
    assert isinstance(store.take("k", Holder("a", "task", 0), 60), Taken)
    assert isinstance(store.take("k", Holder("b", "task", 0), 60), Busy)
    assert isinstance(store.take("k", Holder("c", "other", 1), 60), Busy)
    taken = store.take("k", Holder("d", "task", 1), 60)
    assert isinstance(taken, Taken)
    assert store.complete("k", taken.token, "1", 60)
    assert store.take("k", Holder("e", "task", 2), 60) == Done("1")


def in_worker(task: Any, **request: Any) -> Any:
    """Run a task as a worker does; the messages it sent, and what it raised or returned."""
    sent: list[dict[str, Any]] = []
    task.apply_async = lambda *_args, **options: sent.append(options)
    task.push_request(
        id="1", args=(), kwargs={"order": 7}, called_directly=False, delivery_info={}, retries=3, **request
    )
    try:
        task.before_start("1", (), {})
        return sent, task.app.tasks[task.name].run(order=7)
    except Retry as retry:
        return sent, retry
    finally:
        task.pop_request()


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch, calls: list[int]) -> Any:
    """A task that is idempotent."""
    app = Celery("t", broker="memory://", task_cls=Task, set_as_current=False)

    @app.task(shared=False, name="app.pay", time_limit=20)
    @idempotent(key="{order}", ttl=DAY)
    def pay(order: int) -> str:
        calls.append(order)
        return "paid"

    monkeypatch.setattr("workers.delivery.idempotency.decorator.running_task", lambda: pay)
    return pay


def test_a_task_waits_without_using_up_a_retry(task: Any, calls: list[int]) -> None:
    """Its message comes back some seconds later, with as many tries left as it had."""
    name = f"{__name__}.task.<locals>.pay:7"
    assert isinstance(DatabaseStore().take(name, Holder("a"), 60), Taken)
    sent, left = in_worker(task)
    assert isinstance(left, Retry)
    assert [message["retries"] for message in sent] == [3]
    assert 5 <= sent[0]["countdown"] <= 10
    assert calls == []


def test_a_task_waits_no_longer_than_the_lease(task: Any) -> None:
    """Whose holder may have died a second ago."""
    assert isinstance(DatabaseStore().take(f"{__name__}.task.<locals>.pay:7", Holder("a"), 2), Taken)
    sent, _ = in_worker(task)
    assert 1 < sent[0]["countdown"] <= 3


def test_a_lease_outlasts_the_task(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own time limit, or that of the message."""
    asked: list[float] = []

    def take(*given: Any) -> Done:
        asked.append(given[-1])
        return Done('"x"')

    monkeypatch.setattr(DatabaseStore, "take", take)
    in_worker(task)
    in_worker(task, timelimit=(5, 4))
    assert asked == [20 + LEASE_MARGIN, 5 + LEASE_MARGIN]


def test_a_store_that_is_away_is_waited_for(task: Any, monkeypatch: pytest.MonkeyPatch, calls: list[int]) -> None:
    """Nothing was done yet, so it is no failure."""

    def fail(*_: object) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(DatabaseStore, "take", fail)
    sent, left = in_worker(task)
    assert isinstance(left, Retry)
    assert [message["retries"] for message in sent] == [3]
    assert calls == []


def test_an_eager_task_is_done_once(calls: list[int]) -> None:
    """In its caller's transaction, with no message that could come back."""
    app = Celery("t", broker="memory://", task_cls=Task, set_as_current=False)

    @app.task(shared=False, name="app.pay")
    @idempotent(key="{order}", ttl=DAY)
    def pay(order: int) -> str:
        calls.append(order)
        return "paid"

    results = [pay.apply(kwargs={"order": 7}) for _ in range(2)]
    assert [result.get() for result in results] == ["paid", "paid"]
    assert isinstance(results[0], EagerResult)
    assert calls == [7]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"key": "{ordre}", "ttl": 60}, "key='{ordre}' names 'ordre', which is no argument: .*pay takes order, at"),
        ({"key": "pay", "ttl": 60}, "key='pay' names no argument, so all calls would count as one"),
        ({"key": "{order}", "ttl": 0}, "ttl=0; expected more than no time"),
        ({"key": "{order}", "ttl": timedelta(days=-1)}, "expected more than no time"),
        ({"key": "{order}", "ttl": 60, "store": "rdis"}, "store='rdis'; expected one of: database, redis"),
    ],
)
def test_what_could_not_work_is_refused_where_it_is_written(options: Any, error: str) -> None:
    """Not by the first message, at night."""
    with pytest.raises((TypeError, ValueError), match=error):

        @idempotent(**options)
        def pay(order: int, at: str = "") -> tuple[int, str]:
            return order, at


def test_a_long_key_keeps_its_difference() -> None:
    """The column has 200 characters; two keys that differ at their ends are two."""

    @idempotent(key=lambda text: text, ttl=DAY)
    def keep(text: str) -> str:
        return text

    assert [keep("x" * 500 + end) for end in "ab"] == ["x" * 500 + end for end in "ab"]
    assert {len(key) for key in Claim.objects.values_list("key", flat=True)} == {200}


def test_a_key_that_is_no_text_is_refused() -> None:
    """None would be a key that many calls share."""

    @idempotent(key=lambda order: order, ttl=DAY)
    def pay(order: Any) -> Any:
        return order

    with pytest.raises(TypeError, match=r"the key of .*pay is None; it must be a text that is not empty"):
        pay(None)


def test_claim_is_for_whoever_holds_one() -> None:
    """And its methods for whoever is in a transaction, with a claim that is part of it."""
    with pytest.raises(LookupError, match="no claim is held"):
        claim()

    @idempotent(key="{order}", ttl=DAY)
    def pay(order: int) -> Any:
        return claim().complete(order)

    with pytest.raises(TypeError, match=r"complete\(\) belongs inside `with transaction\.atomic\(\):`"):
        pay(7)


def test_redis_claims_are_no_part_of_a_transaction(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So they cannot commit with it, and say so."""
    client = Redis.from_url(f"{redis_server}/8")
    monkeypatch.setattr("workers.delivery.idempotency.redis._client", lambda _pid: client)

    @idempotent(key="{order}", ttl=DAY, store="redis")
    def pay(order: int) -> int:
        with pytest.raises(TypeError, match="takes store='database'"):
            claim().complete(order)
        return order

    with client:
        assert pay(7) == pay(7) == 7
        client.flushdb()


@pytest.mark.django_db
def test_the_admin_shows_who_holds_what(admin_client: Client) -> None:
    """And of whom it is presumed that he is dead; never a result, which is business data."""
    store = DatabaseStore()
    for key in ("shop.pay:7", "shop.pay:8"):
        store.take(key, Holder("priority@host 1"), 60)
    Claim.objects.filter(pk="shop.pay:8").update(expires_at=Now() - timedelta(seconds=1), result="secret")
    page = admin_client.get(reverse("admin:delivery_claim_changelist")).content.decode()
    assert ("in progress</td>" in page, "given up</td>" in page, "secret" in page) == (True, True, False)
    assert (
        "secret" not in admin_client.get(reverse("admin:delivery_claim_change", args=["shop.pay:8"])).content.decode()
    )
    assert admin_client.get(reverse("admin:delivery_checkpoint_changelist")).status_code == 200
