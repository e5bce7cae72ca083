"""The payment provider's client."""

from dataclasses import dataclass

import requests

from shop.env import environment
from shop.models import Payment
from workers.http import session

# Too many requests, and what servers say when they or those behind them are down.
PASSING = {429, 500, 502, 503, 504}


class ProviderUnavailableError(Exception):
    """The provider gave no answer that counts: the same request may succeed a moment later."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The provider's decision: yes or no, and its own number for it."""

    state: Payment.State
    reference: str


def charge(payment: Payment) -> Answer:
    """Charge the card once, however often this is called: the provider knows the payment by its id."""
    try:
        response = session().post(
            f"{environment().payment_url}/charges",
            json={"amount_cents": payment.amount_cents, "card_token": payment.card_token},
            headers={
                "Authorization": f"Bearer {environment().shop_payment_key.get_secret_value()}",
                "Idempotency-Key": str(payment.pk),
            },
        )
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.RetryError) as error:
        raise ProviderUnavailableError(f"no answer: {type(error).__name__}") from error
    if response.status_code in PASSING:
        raise ProviderUnavailableError(f"answered {response.status_code}")
    response.raise_for_status()
    answer = response.json()
    return Answer(Payment.State(answer["status"]), answer["reference"])
