"""Placing orders at the same moment, and what a broken one leaves."""

import pytest
from django.db import DatabaseError

from shop import orders
from shop.models import Order, Payment
from shop.tasks.priority import charge

pytestmark = pytest.mark.django_db(transaction=True)
WANTED = orders.Wanted("ada@example.org", {"TEA-1": 2}, "tok_4242")


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


@pytest.mark.usefixtures("products")
def test_a_charge_is_sent_only_for_an_order_that_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the order is rolled back, no task looks for it."""
    sent: list[str] = []
    monkeypatch.setattr(charge, "apply_async", lambda *_args, **_options: sent.append("charge"))

    def fail(*_args: object, **_fields: object) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(Payment.objects, "create", fail)
    with pytest.raises(DatabaseError):
        orders.place(WANTED, "some-key")
    assert (sent, Order.objects.count()) == ([], 0)
