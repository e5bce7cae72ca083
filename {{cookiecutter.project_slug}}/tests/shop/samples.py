"""Things that several of the shop's tests need."""

import time
from collections.abc import Callable
from uuid import UUID, uuid4

from shop.models import Order, OrderLine, Payment, Product


def pending_payment(card: str = "tok_4242", number: UUID | None = None) -> Payment:
    """Make an order of one line that is placed and not paid."""
    product, _ = Product.objects.get_or_create(
        sku="TEA-9", defaults={"name": "Darjeeling", "category": "Tea", "price_cents": 500}
    )
    order = Order.objects.create(
        email="ada@example.org", total_cents=1000, idempotency_key=uuid4().hex, request_digest=""
    )
    OrderLine.objects.create(order=order, product=product, quantity=2, price_cents=500)
    return Payment.objects.create(id=number or uuid4(), order=order, amount_cents=1000, card_token=card)


def eventually(true: Callable[[], bool], seconds: float = 60) -> bool:
    """Wait until something is true; false if it never was."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
