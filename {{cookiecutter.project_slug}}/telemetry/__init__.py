"""Logs, traces and error reports: the set-up of the libraries that make them.

`connect(app)` is called once, where the Celery app is made. Every process that has the app is then set up alike: the
web, beat, a worker and its children, also those that are spawned and import everything anew.

OpenTelemetry and Sentry are imported only where they have somewhere to send to: what is not configured costs neither
memory nor time.
"""

# ruff: noqa: PLC0415

from celery import Celery

from config.env import environment
from telemetry import logs


def connect(_app: Celery) -> None:
    """Connect all three to Celery's signals."""
    logs.connect()
    if environment().otel_exporter_otlp_endpoint:
        from telemetry import tracing

        tracing.connect()
    if environment().sentry_dsn:
        from telemetry import errors

        errors.connect()


def prepare_web() -> None:
    """Trace requests, once the processes that serve them trace at all: before the application is loaded."""
    if environment().otel_exporter_otlp_endpoint:
        from telemetry import tracing

        tracing.prepare_web()


def start_web() -> None:
    """Trace a web process that has just been forked."""
    if environment().otel_exporter_otlp_endpoint:
        from telemetry import tracing

        tracing.start()


def stop_web() -> None:
    """Send the last spans of a web process."""
    if environment().otel_exporter_otlp_endpoint:
        from telemetry import tracing

        tracing.stop()
