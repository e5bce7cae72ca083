"""Orders and their payments."""

import uuid

from django.db import models


class Order(models.Model):
    """What a customer wants, and how far it has come."""

    class State(models.TextChoices):
        """Placed by the web, the rest by tasks."""

        PLACED = "placed"
        PAID = "paid"
        CONFIRMED = "confirmed"
        DECLINED = "declined"

    # Unguessable: the order page needs no login.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField()
    total_cents = models.PositiveBigIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.PLACED)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    # The customer's Idempotency-Key, and what was asked under it: another order under it is a mistake.
    idempotency_key = models.CharField(max_length=64, unique=True)
    request_digest = models.CharField(max_length=64)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"order {self.short_id}"

    @property
    def short_id(self) -> str:
        """What people read to each other."""
        return self.id.hex[:8].upper()

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in {self.State.CONFIRMED, self.State.DECLINED}


class OrderLine(models.Model):
    """So many of one product, at the price of that moment."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey("shop.Product", on_delete=models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField()
    price_cents = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product_id}"

    @property
    def total_cents(self) -> int:
        """What the line costs."""
        return self.quantity * self.price_cents


class Payment(models.Model):
    """The one charge of an order; its id is the key under which the provider charges at most once."""

    class State(models.TextChoices):
        """Pending until the provider has said yes or no."""

        PENDING = "pending"
        SUCCEEDED = "succeeded"
        DECLINED = "declined"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    order = models.OneToOneField(Order, on_delete=models.CASCADE, related_name="payment")
    amount_cents = models.PositiveBigIntegerField()
    # A provider's token for the card: numbers of cards never reach this database.
    card_token = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    reference = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        # What the sweep for forgotten payments looks for.
        indexes = (models.Index(fields=("state", "created_at"), name="payment_state_created"),)

    def __str__(self) -> str:
        return f"payment {self.id}"
