"""What the shop's tests start from."""

from collections.abc import Iterator
from pathlib import Path
from threading import current_thread, main_thread

import pytest
from celery import Celery, signals
from celery.contrib.testing.worker import start_worker
from celery.worker import WorkController
from django.core.cache import cache
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from config import variables
from config.celery import app
from shop import digits, model_file
from shop.env import environment
from shop.models import Product
from workers.http import session


@pytest.fixture
def products() -> list[Product]:
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
def worker() -> Iterator[WorkController]:
    """Run a worker in a thread of this process, on the broker and results in memory; it takes what this test sends."""
    app.loader.import_default_modules()
    app.control.purge()
    signals.task_postrun.connect(_let_go)
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30) as running:
        yield running
    signals.task_postrun.disconnect(_let_go)


def _let_go(**_: object) -> None:
    # A connection of the worker's thread would keep the database of the tests from being removed.
    if current_thread() is not main_thread():
        for connection in connections.all(initialized_only=True):
            BaseDatabaseWrapper.close(connection)  # SQLite's own close() passes over a database in memory


@pytest.fixture
def sandbox(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve the payment sandbox over HTTP, to be what charges go to."""
    cache.clear()
    monkeypatch.setenv("SHOP_PAYMENT_URL", f"{live_server.url}/sandbox")
    variables.forget()
    yield f"{live_server.url}/sandbox"
    # A connection that is kept open keeps a thread of the server alive, beyond the end of the run.
    session().close()
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
    return model_file.digits_path()
