"""The charge: once, whatever happens to its task."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import requests
from celery.exceptions import Retry
from django.core import mail
from django.core.cache import cache
from django.utils import timezone

from shop import payments
from shop.models import Order, Payment
from shop.tasks import batch, default
from shop.tasks.priority import charge
from shop.views import sandbox as provider
from tests.shop.samples import pending_payment

pytestmark = pytest.mark.django_db(transaction=True)

PAID = payments.Answer(Payment.State.SUCCEEDED, "ch_1")


def answers(monkeypatch: pytest.MonkeyPatch, *given: payments.Answer | Exception) -> list[Payment]:
    """Have the provider give these answers, one a call; the calls it got."""
    calls: list[Payment] = []

    def answer(payment: Payment) -> payments.Answer:
        calls.append(payment)
        now = given[min(len(calls), len(given)) - 1]
        if isinstance(now, Exception):
            raise now
        return now

    monkeypatch.setattr(payments, "charge", answer)
    return calls


def number_that(rest: int) -> UUID:
    """Find a payment id that the sandbox treats in this way."""
    return next(number for number in iter(uuid4, None) if provider.fate(str(number)) == rest)


@pytest.mark.usefixtures("sandbox", "eager")
def test_a_paid_order_is_confirmed_by_mail() -> None:
    """From the click to the letter, over real HTTP."""
    payment = pending_payment(number=number_that(9))
    charge.delay(payment_id=str(payment.pk))
    payment.refresh_from_db()
    assert (payment.state, payment.order.state) == (Payment.State.SUCCEEDED, Order.State.CONFIRMED)
    assert payment.reference.startswith("ch_")
    (letter,) = mail.outbox
    assert letter.to == ["ada@example.org"]
    assert "€10.00" in letter.body


@pytest.mark.usefixtures("sandbox", "eager")
def test_a_declined_card_is_an_answer() -> None:
    """No retry, no failure, no letter: the customer sees it on the order's page."""
    payment = pending_payment(card="tok_4000", number=number_that(9))
    result = charge.delay(payment_id=str(payment.pk))
    payment.refresh_from_db()
    assert result.successful()
    assert (payment.state, payment.order.state) == (Payment.State.DECLINED, Order.State.DECLINED)
    assert not mail.outbox


@pytest.mark.usefixtures("sandbox", "eager")
def test_an_unavailable_provider_is_asked_again() -> None:
    """A 503 first, then the charge: the sandbox does that to one payment in twenty."""
    payment = pending_payment(number=number_that(0))
    charge.delay(payment_id=str(payment.pk))
    payment.refresh_from_db()
    assert payment.state == Payment.State.SUCCEEDED


@pytest.mark.usefixtures("eager")
def test_a_second_delivery_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that died before it acknowledged leaves its message to another: the customer pays once."""
    calls = answers(monkeypatch, PAID)
    payment = pending_payment()
    for _ in range(3):
        charge(payment_id=str(payment.pk))
    assert len(calls) == 1
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("eager")
def test_two_deliveries_at_once_settle_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both find the payment pending and ask the provider, under one key; one of them settles and confirms."""
    payment = pending_payment()
    keys: list[str] = []

    def slow(asked: Payment) -> payments.Answer:
        keys.append(str(asked.pk))
        if len(keys) == 1:
            charge(payment_id=str(payment.pk))  # the second delivery, while the first waits for its answer
        return PAID

    monkeypatch.setattr(payments, "charge", slow)
    charge(payment_id=str(payment.pk))
    assert keys == [str(payment.pk)] * 2
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("sandbox")
def test_the_provider_charges_once_for_two_requests() -> None:
    """What the key is for: the second request gets the first one's answer."""
    payment = pending_payment(number=number_that(9))
    assert payments.charge(payment) == payments.charge(payment)


@pytest.mark.usefixtures("eager")
def test_a_late_answer_does_not_undo_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settled is settled, even if the provider contradicts itself."""
    payment = pending_payment()
    answers(monkeypatch, PAID)
    charge(payment_id=str(payment.pk))
    answers(monkeypatch, payments.Answer(Payment.State.DECLINED, "ch_2"))
    charge(payment_id=str(payment.pk))
    payment.refresh_from_db()
    assert payment.state == Payment.State.SUCCEEDED


def test_retries_back_off_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wait is a random share of a bound that doubles up to 30 s, and the seventh failure is final."""
    answers(monkeypatch, payments.ProviderUnavailableError("answered 503"))
    bounds: list[int] = []

    def lowest(bound: int) -> int:
        bounds.append(bound - 1)
        return 0

    monkeypatch.setattr("celery.utils.time.random.randrange", lowest)
    payment_id = str(pending_payment().pk)
    for retries in range(6):
        charge.push_request(id="x", retries=retries, called_directly=False, is_eager=False)
        monkeypatch.setattr(charge, "apply_async", lambda *_args, **_options: None)
        with pytest.raises(Retry):
            charge.run(payment_id=payment_id)
        charge.pop_request()
    assert bounds == [1, 2, 4, 8, 16, 30]
    charge.push_request(id="x", retries=6, called_directly=False, is_eager=False)
    with pytest.raises(payments.ProviderUnavailableError):
        charge.run(payment_id=payment_id)
    charge.pop_request()


@pytest.mark.usefixtures("eager")
def test_a_bug_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not pass by itself fails at once, with its own exception."""
    calls = answers(monkeypatch, KeyError("status"))
    result = charge.delay(payment_id=str(pending_payment().pk))
    assert isinstance(result.result, KeyError)
    assert len(calls) == 1


@pytest.mark.parametrize("problem", [requests.ConnectionError(), requests.Timeout(), 500, 502, 503, 504, 429])
def test_what_passes_by_itself_is_transient(monkeypatch: pytest.MonkeyPatch, problem: Exception | int) -> None:
    """No answer, or one that means "later"."""
    with pytest.raises(payments.ProviderUnavailableError):
        ask(monkeypatch, problem)


@pytest.mark.parametrize("problem", [400, 401, 404, 409])
def test_a_refused_request_is_not_transient(monkeypatch: pytest.MonkeyPatch, problem: int) -> None:
    """A wrong key stays wrong: an error for people."""
    with pytest.raises(requests.HTTPError):
        ask(monkeypatch, problem)


def ask(monkeypatch: pytest.MonkeyPatch, problem: Exception | int) -> None:
    """Charge, with a provider that answers like this."""

    def post(*_args: object, **_options: object) -> requests.Response:
        if isinstance(problem, Exception):
            raise problem
        response = requests.Response()
        response.status_code = problem
        return response

    monkeypatch.setattr(requests.Session, "post", post)
    payments.charge(pending_payment())


def test_a_mail_server_that_refuses_gives_the_order_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is confirmed when its letter is sent, and not before."""
    order = pending_payment().order
    Order.objects.update(state=Order.State.PAID)

    def refuse(*_args: object) -> None:
        raise OSError("421 try later")

    with monkeypatch.context() as broken:
        broken.setattr(mail, "send_mail", refuse)
        broken.setattr(default.send_confirmation, "retry", lambda **_options: Retry())
        with pytest.raises(Retry):
            default.send_confirmation(order_id=str(order.pk))
    order.refresh_from_db()
    assert order.state == Order.State.PAID
    default.send_confirmation(order_id=str(order.pk))
    default.send_confirmation(order_id=str(order.pk))
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("eager")
def test_a_forgotten_payment_is_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost task costs minutes, not the sale; what is new or a day old is left alone."""
    calls = answers(monkeypatch, PAID)
    ages = {"new": timedelta(minutes=1), "forgotten": timedelta(minutes=10), "old": timedelta(days=2)}
    made = {name: pending_payment() for name in ages}
    for name, age in ages.items():
        Payment.objects.filter(pk=made[name].pk).update(created_at=timezone.now() - age)
    batch.charge_forgotten()
    assert [payment.pk for payment in calls] == [made["forgotten"].pk]


def test_the_sandbox_wants_its_key(sandbox: str) -> None:
    """It plays a real provider: without the key it charges nobody."""
    answer = requests.post(f"{sandbox}/charges", json={}, headers={"Idempotency-Key": "k"}, timeout=5)
    assert answer.status_code == 401
    assert cache.get("sandbox:charge:k") is None


def test_the_sandbox_takes_a_key_for_one_charge(sandbox: str) -> None:
    """As a real provider would: the same key with another amount is a mistake that must be seen."""
    payment = pending_payment(number=number_that(9))
    payments.charge(payment)
    payment.amount_cents += 1
    with pytest.raises(requests.HTTPError, match="409"):
        payments.charge(payment)
    assert sandbox
