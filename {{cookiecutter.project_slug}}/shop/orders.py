"""Placing an order."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from shop.models import Order, OrderLine, Payment, Product, Subscriber
from shop.tasks.priority import charge

# A token of the provider for a card that it knows: no number of a card comes here.
CARD = r"tok_[0-9]{4,16}"
# Of one product, and products: what a corner shop carries to a door. They also bound a request's work.
MOST_OF_ONE = 99
MOST_LINES = 50


class KeyReusedError(Exception):
    """The idempotency key belongs to an order for something else."""


class UnknownProductError(Exception):
    """No product has this number."""

    def __init__(self, sku: str) -> None:
        super().__init__(f"no product has the number {sku}")
        self.sku = sku


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order whose form has been checked, before it is placed."""

    email: str
    quantities: Mapping[str, int]
    card_token: str
    newsletter: bool = False

    def digest(self) -> str:
        """Tell two orders under one key apart."""
        parts = (self.email, sorted(self.quantities.items()), self.card_token)
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def place(wanted: Wanted, key: str) -> tuple[Order, bool]:
    """Place the order once a key; a repetition gets the first one's order, and False."""
    order = _known(key)
    if order is None:
        try:
            with transaction.atomic():
                return _create(wanted, key), True
        except IntegrityError:
            # The same request twice at one moment: the unique key let the other one in.
            order = _known(key)
            if order is None:
                raise
    if order.request_digest != wanted.digest():
        raise KeyReusedError("this key was used for another order")
    return order, False


def _known(key: str) -> Order | None:
    return Order.objects.filter(idempotency_key=key).first()


def _create(wanted: Wanted, key: str) -> Order:
    lines = [
        OrderLine(product=product, quantity=wanted.quantities[sku], price_cents=product.price_cents)
        for sku, product in _products(wanted).items()
    ]
    total = sum(line.total_cents for line in lines)
    order = Order.objects.create(
        email=wanted.email,
        total_cents=total,
        idempotency_key=key,
        request_digest=wanted.digest(),
    )
    for line in lines:
        line.order = order
    OrderLine.objects.bulk_create(lines)
    payment = Payment.objects.create(order=order, amount_cents=total, card_token=wanted.card_token)
    if wanted.newsletter:
        Subscriber.objects.get_or_create(email=wanted.email)
    # Durable: written into this transaction, and sent when it is committed. Sent now, a fast worker would look for a
    # payment that is not there yet, and a rollback would leave a task without an order.
    charge.delay(payment_id=str(payment.pk))
    return order


def _products(wanted: Wanted) -> dict[str, Product]:
    found = Product.objects.in_bulk(list(wanted.quantities))
    for sku in wanted.quantities:
        if sku not in found:
            raise UnknownProductError(sku)
    return found
