"""The database: PostgreSQL by its URL, SQLite on a developer's machine."""

from pathlib import Path
from typing import Any

import dj_database_url

from config.env import Environment, is_loopback
from workers.derive import database

SQLITE = "django.db.backends.sqlite3"


def database_options(env: Environment) -> dict[str, Any]:
    """`DATABASES["default"]`; what depends on the worker group's pool comes from the topology."""
    options: dict[str, Any] = dict(dj_database_url.parse(env.database_url.get_secret_value()))
    own = _sqlite(options) if options["ENGINE"] == SQLITE else _postgresql(options, env)
    derived = database.options(options["ENGINE"])
    return {**options, **derived, "OPTIONS": {**own, **options.get("OPTIONS", {}), **derived.get("OPTIONS", {})}}


def _sqlite(options: dict[str, Any]) -> dict[str, Any]:
    Path(options["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    return {
        "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL",  # readers don't wait for a writer
        "timeout": 20,  # seconds a writer waits for another one
        "transaction_mode": "IMMEDIATE",  # lock when a transaction begins: one that upgrades later fails at once
    }


def _postgresql(options: dict[str, Any], env: Environment) -> dict[str, Any]:
    own: dict[str, Any] = {
        "connect_timeout": 5,  # seconds; libpq waits for ever otherwise
        "keepalives_idle": 30,  # a server that vanished is noticed within a minute, not after two hours
        "keepalives_interval": 10,
        "keepalives_count": 3,
        # Milliseconds. Keep-alives say nothing while a statement is under way, which the kernel would send again for a
        # quarter of an hour. Below the soft time limits, so that a task is retried and not killed.
        "tcp_user_timeout": 10_000,
    }
    if env.tls_ca_file:
        own |= {"sslmode": "verify-full", "sslrootcert": str(env.tls_ca_file)}
    elif options["HOST"] and not options["HOST"].startswith("/") and not is_loopback(options["HOST"]):
        own["sslmode"] = "require"
    return own
