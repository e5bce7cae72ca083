"""Placing orders at the same moment, and what a broken one leaves."""

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from shop import orders, payments
from shop.models import Order, Payment

pytestmark = pytest.mark.django_db(transaction=True)
WANTED = orders.Wanted("ada@example.org", {"TEA-1": 2}, "tok_4242")


@pytest.fixture
def charged(monkeypatch: pytest.MonkeyPatch) -> list[Payment]:
    """Have a provider that says yes; the payments it was asked for."""
    asked: list[Payment] = []

    def answer(payment: Payment) -> payments.Answer:
        asked.append(payment)
        return payments.Answer(Payment.State.SUCCEEDED, "ch_1")

    monkeypatch.setattr(payments, "charge", answer)
    return asked


@pytest.mark.usefixtures("products")
def test_two_requests_at_one_moment_place_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have looked and found nothing; the database lets one in, the other gets its order."""
    first, _ = orders.place(WANTED, "same-key")
    looks = iter([None])
    known = orders._known
    monkeypatch.setattr(orders, "_known", lambda key: next(looks, known(key)))
    second, new = orders.place(WANTED, "same-key")
    assert (second, new) == (first, False)
    assert (Order.objects.count(), Payment.objects.count()) == (1, 1)


@pytest.mark.usefixtures("products", "eager")
def test_an_order_is_charged_when_it_is_kept(charged: list[Payment]) -> None:
    """Placing it is enough: the task is sent with the commit, and not before."""
    with transaction.atomic():
        order, _ = orders.place(WANTED, "some-key")
        assert charged == []
    assert charged == [order.payment]


@pytest.mark.usefixtures("products", "eager")
def test_an_order_that_is_rolled_back_is_never_charged(charged: list[Payment]) -> None:
    """No task looks for an order that is not there, and nobody pays for it."""
    with pytest.raises(DatabaseError), transaction.atomic():
        _place_and_fail()
    assert (charged, Order.objects.count()) == ([], 0)


def _place_and_fail() -> None:
    orders.place(WANTED, "some-key")
    raise DatabaseError("disk full")


@pytest.mark.usefixtures("products")
def test_an_error_of_the_database_is_not_taken_for_a_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    """A constraint that has nothing to do with the key is an error."""

    def fail(*_given: object, **_fields: object) -> None:
        raise IntegrityError("something else")

    monkeypatch.setattr(Payment.objects, "create", fail)
    with pytest.raises(IntegrityError, match="something else"):
        orders.place(WANTED, "some-key")
