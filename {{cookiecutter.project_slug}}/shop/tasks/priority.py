"""What somebody waits for."""

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from shop import payments
from shop.models import Order, Payment
from shop.tasks.default import send_confirmation
from workers.delivery.base import Task


@shared_task(
    base=Task,
    # Ids tell nobody anything; what is not listed is redacted in logs, events and Flower.
    public_arguments=("payment_id",),
    # An order is answered with "placed": its charge is written with it, and sent whatever is away at that moment. And
    # it is taken on however much waits (`when_full` is "send"): a sale that is charged late is still a sale.
    durable=True,
    # Below the group's limits: 3 s to connect and 10 s to answer are all that it can need.
    soft_time_limit=15,
    time_limit=20,
    # Only what passes by itself: a bug or a refused request must fail at once, not six times.
    autoretry_for=(payments.ProviderUnavailableError,),
    # Up to 1, 2, 4... 30 s, a random share of it (full jitter): a thousand charges that failed together
    # would otherwise come back together. Bounded: after a minute the sweep in batch.py takes over.
    retry_backoff=1,
    retry_backoff_max=30,
    retry_jitter=True,
    max_retries=6,
)
def charge(payment_id: str) -> None:
    """Charge the card of an order once, however often and on however many workers this runs.

    No lock is held while the provider thinks: it knows the payment by its id and charges once, and of two
    tasks that come back with its answer one finds the payment pending, the other has nothing left to do.
    """
    payment = Payment.objects.get(pk=payment_id)
    if payment.state == Payment.State.PENDING:
        _settle(payment, payments.charge(payment))


def _settle(payment: Payment, answer: payments.Answer) -> None:
    with transaction.atomic():
        first = Payment.objects.filter(pk=payment.pk, state=Payment.State.PENDING).update(
            state=answer.state, reference=answer.reference, settled_at=timezone.now()
        )
        if not first:
            return
        # A declined card is an answer, not an error: nothing to retry.
        paid = answer.state == Payment.State.SUCCEEDED
        Order.objects.filter(pk=payment.order_id).update(state=Order.State.PAID if paid else Order.State.DECLINED)
        if paid:
            send_confirmation.delay(order_id=str(payment.order_id))
