"""The settings of each environment."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import CacheHandler
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import ConnectionHandler

from config.env import BASE_DIR, environment, environments_of, require
from config.settings.cache import cache_options
from config.settings.database import database_options
from config.settings.mail import smtp
from tests.config.samples import LOCAL, PRODUCTION, SetEnvironment, app_values
from tests.conftest import free_port


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py with these variables only."""
    command = [sys.executable, "manage.py", *arguments]
    env = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=240, check=False)


def test_deployment_checks_have_nothing_to_say() -> None:
    """Production is secure by default: Django's own audit finds nothing."""
    values = {**PRODUCTION, **app_values(environments_of(settings.PROJECT_APPS))}
    done = manage("check", "--deploy", "--fail-level", "INFO", **values)
    assert "no issues (0 silenced)" in done.stdout, done.stdout + done.stderr
    assert (done.returncode, done.stderr) == (0, "")


def test_a_wrong_environment_is_a_message_and_no_traceback() -> None:
    """The operator sees the report alone."""
    done = manage("check", ENVIRONMENT="production")
    assert done.returncode == 1
    assert done.stderr.count("\n  SECRET_KEY: not set") == 1
    assert "Traceback" not in done.stderr


def test_settings_of_another_environment_are_refused(
    variables_are: SetEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A developer's secrets never run under production's settings, and the other way round."""
    variables_are(LOCAL)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "config.settings.production")
    with pytest.raises(ImproperlyConfigured, match="is for ENVIRONMENT=staging or production, but ENVIRONMENT=local"):
        require("staging", "production")


@pytest.mark.django_db
def test_sqlite_writes_ahead_and_locks_at_once(variables_are: SetEnvironment, tmp_path: Path) -> None:
    """Web and workers share the file: readers don't wait, and a writer waits instead of failing."""
    file = tmp_path / "state" / "db.sqlite3"
    variables_are(LOCAL, DATABASE_URL=f"sqlite:///{file}")
    connections = ConnectionHandler({"default": database_options(environment())})
    connection = connections["default"]
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert cursor.execute("PRAGMA busy_timeout").fetchone() == (20_000,)
    connection.set_autocommit(autocommit=False, force_begin_transaction_with_broken_autocommit=True)  # as atomic() does
    with closing(sqlite3.connect(file, timeout=0)) as other, pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    connection.close()


@pytest.mark.parametrize(
    ("url", "changes", "sslmode"),
    [
        ("postgres://u:pw@db.internal/shop", {}, "require"),
        ("postgres://u:pw@db.internal/shop?sslmode=verify-ca", {}, "verify-ca"),
        ("postgres://u:pw@db.internal/shop", {"TLS_CA_FILE": __file__}, "verify-full"),
        ("postgres://u:pw@127.0.0.1/shop", {}, None),
        ("postgres://u:pw@%2Frun%2Fpostgresql/shop", {}, None),
    ],
)
def test_postgresql_is_encrypted_and_bounded(
    variables_are: SetEnvironment, url: str, changes: dict[str, str], sslmode: str | None
) -> None:
    """Off this machine only with TLS; nothing waits for ever for a server that is gone."""
    variables_are(PRODUCTION, DATABASE_URL=url, **changes)
    options = database_options(environment())
    assert options["ENGINE"] == "django.db.backends.postgresql"
    assert options["OPTIONS"].get("sslmode") == sslmode
    assert options["OPTIONS"]["connect_timeout"] == 5


def test_the_cache_is_redis(variables_are: SetEnvironment, redis_server: str) -> None:
    """CACHE_URL alone decides: a real server takes and gives back a value."""
    variables_are(LOCAL, CACHE_URL=f"{redis_server}/2")
    cache = CacheHandler({"default": cache_options(environment())})["default"]
    cache.set("answer", [42], timeout=5)
    assert cache.get("answer") == [42]
    cache.close()


def test_the_cache_behind_sentinel_finds_its_primary(variables_are: SetEnvironment, sentinel: int) -> None:
    """A Sentinel that is down does not matter while another one answers."""
    nodes = (f"sentinel://:only-for%2Dtests@127.0.0.1:{port}" for port in (free_port(), sentinel))
    variables_are(LOCAL, SENTINEL_URL=";".join(nodes), CACHE_URL="sentinel://:only-for%2Dtests@main/2")
    cache = CacheHandler({"default": cache_options(environment())})["default"]
    cache.set("answer", [42], timeout=5)
    assert cache.get("answer") == [42]
    cache.close()


def test_sentinel_and_primary_are_reached_over_tls(variables_are: SetEnvironment) -> None:
    """A CA file means TLS to both."""
    variables_are(
        PRODUCTION, SENTINEL_URL="sentinel://:pw@s1", CACHE_URL="sentinel://:pw@cache/0", TLS_CA_FILE=__file__
    )
    options = cache_options(environment())["OPTIONS"]
    assert options["SENTINELS"]["ca_file"] == __file__
    assert options["CONNECTION_POOL_KWARGS"]["ssl_ca_certs"] == __file__


@pytest.mark.parametrize(("port", "expected"), [("465", (True, False)), ("587", (False, True))])
def test_mail_is_encrypted(variables_are: SetEnvironment, port: str, expected: tuple[bool, bool]) -> None:
    """Port 465 speaks TLS from the first byte, the others upgrade."""
    variables_are(PRODUCTION, EMAIL_PORT=port)
    options = smtp(environment())
    assert (options["EMAIL_USE_SSL"], options["EMAIL_USE_TLS"]) == expected


def test_workers_run_without_debug() -> None:
    """In a worker DEBUG would keep every query in memory."""
    code = "from django.conf import settings; print(settings.DEBUG)"
    local = LOCAL | app_values(environments_of(settings.PROJECT_APPS))
    shown = [
        manage("shell", "-v", "0", "-c", code, **local, **worker).stdout.strip()
        for worker in ({}, {"CELERY_WORKER_GROUP": "default"})
    ]
    assert shown == ["True", "False"]


def test_project_metadata_is_readable() -> None:
    """The answers given when the project was made reach pages and mail."""
    assert settings.PROJECT.keys() >= {"title", "email", "timezone"}
    assert settings.PROJECT["timezone"] == settings.TIME_ZONE
