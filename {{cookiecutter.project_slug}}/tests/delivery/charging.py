"""What a payment does in these tests: imported by tasks only, because claims need Django's models."""

import time
from typing import Any

from django.db import transaction

from tests.delivery.work import hold_at, note
from workers.delivery.idempotency import claim, idempotent


@idempotent(key="{key}", ttl=3600)
def charge(key: str, *, at: str = "", folder: str = "", seconds: float = 0, run: object = "") -> Any:
    """Charge, in one transaction with the claim's end; see hold_at for `at` and `folder`."""
    hold_at("claimed", at, folder)
    time.sleep(seconds)
    with transaction.atomic():
        note(key, 1, run)
        hold_at("charged", at, folder)
        paid = claim().complete({"paid": key})
        hold_at("completed", at, folder)
    hold_at("committed", at, folder)
    return paid


@idempotent(key="{key}", ttl=3600, store="redis")
def charge_by_redis(key: str, *, seconds: float = 0) -> Any:
    """Charge, with a claim that is no part of the transaction."""
    time.sleep(seconds)
    note(key, 1)
    return {"paid": key}
