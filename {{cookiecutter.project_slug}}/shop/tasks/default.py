"""Short and mixed: letters."""

from collections.abc import Iterable
from datetime import timedelta
from smtplib import SMTPException

from celery import shared_task
from django.core import mail
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from shop.models import Newsletter, NewsletterPart, Order, Subscriber
from workers.delivery.base import Task
from workers.delivery.idempotency import idempotent

# A message for each subscriber costs more to publish than the letter; one for all of them runs for an hour,
# and starts from the top after a crash.
CHUNK = 50


@shared_task(
    base=Task,
    public_arguments=("order_id",),
    durable=True,  # sent where the payment is settled: there is no second occasion
    autoretry_for=(SMTPException, OSError),
    retry_backoff=5,
    retry_backoff_max=600,
    max_retries=8,
)
@idempotent(key="{order_id}", ttl=timedelta(days=1))
def send_confirmation(order_id: str) -> None:
    """Confirm a paid order, once."""
    # A mail server knows no idempotency key: the claim keeps a second delivery from writing beside the first, without
    # a transaction that stays open while the server takes its time.
    order = Order.objects.prefetch_related("lines__product").get(pk=order_id)
    if order.state == Order.State.PAID:
        _confirm(order)
        Order.objects.filter(pk=order_id).update(state=Order.State.CONFIRMED, confirmed_at=timezone.now())


def _confirm(order: Order) -> None:
    body = render_to_string("shop/confirmation.txt", {"order": order})
    mail.send_mail(f"Your order {order.short_id}", body, None, [order.email])


@shared_task(base=Task, public_arguments=("newsletter_id",), durable=True, when_full="refuse")
def newsletter(newsletter_id: int) -> None:
    """Divide the subscribers into chunks and send a task for each."""
    ids = list(Subscriber.objects.order_by("pk").values_list("pk", flat=True))
    with transaction.atomic():
        # Whoever sets the number of recipients makes the parts; a second delivery finds it set.
        first = Newsletter.objects.filter(pk=newsletter_id, recipients=None).update(recipients=len(ids))
        if first:
            _send_parts(newsletter_id, ids)


def _send_parts(newsletter_id: int, ids: list[int]) -> None:
    for start in range(0, len(ids), CHUNK):
        part = NewsletterPart.objects.create(newsletter_id=newsletter_id, subscriber_ids=ids[start : start + CHUNK])
        send_part.delay(part_id=part.pk)


@shared_task(base=Task, public_arguments=("part_id",), durable=True, when_full="delay")  # letters have time
def send_part(part_id: int) -> None:
    """Write to the subscribers of one part.

    Taken before it is sent, unlike the confirmation: after a crash some get no letter, but nobody gets two.
    """
    taken = NewsletterPart.objects.filter(pk=part_id, sent_at=None).update(sent_at=timezone.now())
    if taken:
        part = NewsletterPart.objects.select_related("newsletter").get(pk=part_id)
        with mail.get_connection() as connection:
            connection.send_messages(list(_letters(part)))


def _letters(part: NewsletterPart) -> Iterable[mail.EmailMessage]:
    letter = part.newsletter
    for subscriber in Subscriber.objects.filter(pk__in=part.subscriber_ids):
        yield mail.EmailMessage(letter.subject, letter.body, to=[subscriber.email])
