"""The shop as a part of the project: what it may and may not touch."""

import re
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pydantic import SecretStr, ValidationError

from config.env import BASE_DIR
from shop.env import Environment
from shop.management.commands import create_local_admin
from shop.models import Product

pytestmark = pytest.mark.django_db


def test_nothing_outside_imports_the_shop() -> None:
    """So that it can be deleted: folder, tests, and its name in PROJECT_APPS."""
    files = [path for folder in ("config", "telemetry", "workers") for path in (BASE_DIR / folder).rglob("*.py")]
    assert files
    importing = [path.name for path in files if re.search(r"^\s*(from|import) shop\b", path.read_text(), re.MULTILINE)]
    assert importing == []


def test_migrations_are_complete() -> None:
    """What the models say is what the database gets."""
    call_command("makemigrations", "--check", "--dry-run", stdout=StringIO())


def test_the_first_products_are_products() -> None:
    """`loaddata first_products` fills the shelves of a first start, and a second time changes nothing."""
    for _ in range(2):
        call_command("loaddata", "first_products", stdout=StringIO())
    assert Product.objects.count() == 27


def local(password: SecretStr | None, environment: Any = "local") -> Environment:
    """Make an environment."""
    return Environment.model_construct(environment=environment, admin_password=password)


def test_a_local_admin_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second start leaves a changed password alone."""
    monkeypatch.setattr(create_local_admin, "environment", lambda: local(SecretStr("first")))
    call_command("create_local_admin", stdout=StringIO())
    admin = User.objects.get(username="admin")
    assert (admin.is_superuser, admin.check_password("first")) == (True, True)
    monkeypatch.setattr(create_local_admin, "environment", lambda: local(SecretStr("second")))
    call_command("create_local_admin", stdout=StringIO())
    assert User.objects.get(username="admin").check_password("first")


@pytest.mark.parametrize(
    ("environment", "password", "why"),
    [("production", SecretStr("x"), "ENVIRONMENT=local only"), ("local", None, "ADMIN_PASSWORD is not set")],
)
def test_a_local_admin_is_refused_elsewhere(
    monkeypatch: pytest.MonkeyPatch, environment: str, password: SecretStr | None, why: str
) -> None:
    """No host on the internet gets a user whose password lies in a file."""
    monkeypatch.setattr(create_local_admin, "environment", lambda: local(password, environment))
    with pytest.raises(CommandError, match=why):
        call_command("create_local_admin")
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("address", "why"), [(None, "not set"), ("http://payments.example.com", "would send card tokens in plain text")]
)
def test_production_pays_a_real_provider(address: str | None, why: str) -> None:
    """Neither the sandbox nor an unencrypted address."""
    with pytest.raises(ValidationError, match=why):
        Environment(environment="production", shop_payment_url=address)


def test_the_sandbox_is_not_in_production() -> None:
    """Whoever could reach it could "pay"."""
    assert Environment(environment="test").sandbox
    assert not Environment.model_construct(environment="staging").sandbox
    assert not Environment.model_construct(environment="production").sandbox
