"""A payment provider to develop against: shop/urls.py has it under local and test settings only.

It does what a real one does to its customers: it is now and then unavailable or slow, declines cards, and
charges once however often it is asked under one Idempotency-Key. What it does depends on the key alone, so a
run can be repeated.
"""

import hashlib
import json
import time
from secrets import compare_digest
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from shop.env import environment

# Of twenty payments one finds it unavailable at first, and two find it slow.
ONE_IN = 20
UNAVAILABLE = {0}
SLOW = {1, 2}
SLOWNESS = 0.2  # seconds
DECLINED_DIGIT = "0"
REMEMBERED = 24 * 3600  # seconds, as long as real providers keep a key


@csrf_exempt
@require_POST
def charge(request: HttpRequest) -> JsonResponse:
    """Charge a card, or say why not."""
    authorization = f"Bearer {environment().shop_payment_key.get_secret_value()}"
    if not compare_digest(request.headers.get("Authorization", "").encode(), authorization.encode()):
        return _error(401, "the key is wrong")
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        return _error(400, "the header Idempotency-Key is missing")
    # add() is true once a key: the first attempt.
    if cache.add(f"sandbox:attempt:{key}", 1, REMEMBERED) and fate(key) in UNAVAILABLE:
        return _quietly(_error(503, "come back later"))
    if fate(key) in SLOW:
        time.sleep(SLOWNESS)
    return _charge_once(key, json.loads(request.body))


def fate(key: str) -> int:
    """Decide how a key is treated, from 0 to 19."""
    return int(hashlib.sha256(key.encode()).hexdigest(), 16) % ONE_IN


def _charge_once(key: str, asked: dict[str, Any]) -> JsonResponse:
    cache.add(f"sandbox:charge:{key}", {"asked": asked, "answer": _decide(key, asked)}, REMEMBERED)
    made = cache.get(f"sandbox:charge:{key}")
    if made["asked"] != asked:
        return _error(409, "this key was used for another charge")
    return JsonResponse(made["answer"])


def _decide(key: str, asked: dict[str, Any]) -> dict[str, Any]:
    declined = str(asked["card_token"]).endswith(DECLINED_DIGIT)
    reference = "ch_" + hashlib.sha256(f"reference of {key}".encode()).hexdigest()[:20]
    return {"status": "declined" if declined else "succeeded", "reference": reference}


def _quietly(response: JsonResponse) -> JsonResponse:
    """Keep Django from logging it as an error of this project: the failure is played."""
    response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001
    return response


def _error(status: int, what: str) -> JsonResponse:
    return JsonResponse({"error": what}, status=status)
