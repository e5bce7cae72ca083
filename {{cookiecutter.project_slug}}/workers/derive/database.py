"""Database options that follow from how this process runs its tasks."""

from typing import Any, Final

from workers.process import current_group, is_scheduler

#: Seconds a web thread or prefork child keeps its connection; below the idle time-outs of common poolers and firewalls.
CONNECTION_MAX_AGE: Final = 300
#: Seconds to wait for a free connection of the pool before the task fails with a clear error.
POOL_TIMEOUT: Final = 10

#: libpq's options for beat's connection, in seconds (tcp_user_timeout: milliseconds). A database that fell silent is
#: given up within 4 s, not after the minutes of TCP: the next tick has to come within 15 s of its return.
IMPATIENT: Final = {
    "connect_timeout": 3,
    "tcp_user_timeout": 4000,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 2,
}

#: Django's backend, with a health check that survives a restart of the database.
POOLED_ENGINE: Final = "workers.postgresql"


def options(engine: str) -> dict[str, Any]:
    """Keys for `DATABASES["default"]` in this process.

    Threads and greenlets share a psycopg pool, one connection a slot, and Django then wants CONN_MAX_AGE = 0
    (docs.djangoproject.com, "Connection pool"). Prefork children and web threads own one connection each and keep it:
    a pool would be inherited through the fork. `workers/delivery/connections.py` applies both around each task.
    """
    if engine.endswith("postgresql") and is_scheduler():
        return {"CONN_MAX_AGE": None, "OPTIONS": IMPATIENT}
    group = current_group()
    if engine.endswith("postgresql") and group and group.pool in ("threads", "gevent"):
        pool = {"min_size": 1, "max_size": int(group.concurrency), "timeout": POOL_TIMEOUT}
        return {"ENGINE": POOLED_ENGINE, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False, "OPTIONS": {"pool": pool}}
    return {"CONN_MAX_AGE": CONNECTION_MAX_AGE, "CONN_HEALTH_CHECKS": True}
