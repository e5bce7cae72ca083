"""What the shop's tests start from."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.worker import WorkController
from django.conf import settings as project
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from config import variables
from config.celery import app
from shop import digits, model_file
from shop.env import environment
from shop.models import Order, OrderLine, Payment, Product


@pytest.fixture
def products(db: None) -> list[Product]:
    """Three things to buy."""
    made = [
        Product(sku="TEA-1", name="Assam, 250 g", category="Tea", price_cents=450),
        Product(sku="TEA-2", name="Earl Grey, 250 g", category="Tea", price_cents=425),
        Product(sku="BAK-1", name="Rye loaf, 800 g", category="Bakery", price_cents=399),
    ]
    return Product.objects.bulk_create(made)


@pytest.fixture
def api() -> Client:
    """A customer of the API who knows its token."""
    return Client(headers={"Authorization": f"Bearer {environment().shop_api_token.get_secret_value()}"})


@pytest.fixture
def eager() -> Iterator[Celery]:
    """Run tasks where they are sent, at once."""
    app.conf.task_always_eager = True
    yield app
    app.conf.task_always_eager = False


@pytest.fixture
def worker(transactional_db: None) -> Iterator[WorkController]:
    """Run a worker in a thread of this process, on the broker and results in memory."""
    app.loader.import_default_modules()
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30) as running:
        yield running


def eventually(true: Callable[[], bool], seconds: float = 20) -> bool:
    """Wait until something is true; false if it never was."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def sandbox(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve the payment sandbox over HTTP, to be what charges go to."""
    cache.clear()
    monkeypatch.setenv("SHOP_PAYMENT_URL", f"{live_server.url}/sandbox")
    variables.forget()
    yield f"{live_server.url}/sandbox"
    variables.forget()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a model once a test run; the folder that has it as `models/digits.model`."""
    folder = tmp_path_factory.mktemp("data")
    model, _, _ = digits.train()
    digits.save(model, folder / "models" / "digits.model")
    return folder


@pytest.fixture
def model(trained: Path, settings: Settings) -> Path:
    """Have the tasks find the trained model; its path."""
    settings.DATA_DIR = trained
    assert project.DATA_DIR == trained
    return model_file.digits_path()


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
