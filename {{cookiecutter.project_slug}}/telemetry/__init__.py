"""Logs, traces and error reports: the set-up of the libraries that make them.

`connect(app)` is called once, where the Celery app is made. Every process that has the app is then set up alike: the
web, beat, a worker and its children, also those that are spawned and import everything anew.
"""

from celery import Celery

from config.env import environment
from telemetry import logs


def connect(app: Celery) -> None:
    """Connect all three to Celery's signals; traces and error reports only where they have somewhere to go."""
    env = environment()
    logs.connect()
    # Imported here: what is not configured costs neither memory nor time.
    if env.otel_exporter_otlp_endpoint:
        from telemetry import tracing  # noqa: PLC0415

        tracing.connect()
    if env.sentry_dsn:
        from telemetry import errors  # noqa: PLC0415

        errors.connect(app)
