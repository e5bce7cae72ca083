"""Inference with a model in memory."""

from functools import cache
from typing import TYPE_CHECKING

import structlog
from celery import shared_task
from django.utils import timezone

from shop import model_file
from shop.models import DeliverySlip
from workers.delivery.base import Task

if TYPE_CHECKING:
    from shop.digits import Model


@cache
def model() -> "Model":
    """Load the model once a child: it stays until the child is recycled."""
    # Here and not at the top, which the web and every other worker import: scikit-learn costs 100 MB.
    from shop import digits  # noqa: PLC0415

    structlog.get_logger(__name__).info("model_loaded")
    return digits.load(model_file.digits_path())


@shared_task(base=Task, public_arguments=("slip_id",), durable=True, when_full="refuse")
def read_slip(slip_id: int) -> None:
    """Read the number on a delivery slip; reading it twice does no harm."""
    from shop import digits  # noqa: PLC0415

    slip = DeliverySlip.objects.get(pk=slip_id)
    try:
        reading = model().read(bytes(slip.image))
    except digits.UnreadableError as error:
        # The picture will not get better: a result for a person to see, not a failure.
        slip.state, slip.message = DeliverySlip.State.UNREADABLE, str(error)
    else:
        slip.state, slip.digits, slip.confidence = DeliverySlip.State.READ, reading.digits, reading.confidence
    slip.read_at = timezone.now()
    slip.save(update_fields=["state", "message", "digits", "confidence", "read_at"])
