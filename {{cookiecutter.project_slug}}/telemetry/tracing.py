"""Traces: OpenTelemetry's spans of requests, sent tasks and running tasks, to OTEL_EXPORTER_OTLP_ENDPOINT.

The SDK sends from a thread, and a thread does not survive a fork. So each process that does the work starts its own:
prefork children, forked or spawned, the worker itself under threads and gevent, and gunicorn's processes.
"""

import os
from threading import Thread
from typing import Any, Final

from celery import signals
from celery.concurrency import get_implementation, prefork
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from config.env import environment
from workers.process import group_name
from workers.topology import topology

#: Seconds a process that ends spends on sending what is left. The collector may be down: a deployment is not held up.
FLUSH_PATIENCE: Final = 2.0


def connect() -> None:
    """Start and stop with the process that runs the tasks."""
    signals.worker_process_init.connect(_start_child)
    signals.worker_process_shutdown.connect(_stop)
    signals.worker_init.connect(_start_main)
    signals.worker_shutdown.connect(_stop)


def start() -> None:
    """Trace this process from now on; once, whatever calls it again."""
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    env = environment()
    endpoint = f"{str(env.otel_exporter_otlp_endpoint).rstrip('/')}/v1/traces"
    # Not at exit: that one waits for the collector without a bound.
    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]


def prepare_web() -> None:
    """Put tracing among Django's middleware, before gunicorn loads the application and forks; it sends nothing yet."""
    if not DjangoInstrumentor().is_instrumented_by_opentelemetry:  # a reload reads the configuration again
        DjangoInstrumentor().instrument(excluded_urls="healthz,readyz")


def stop() -> None:
    """Send what is left, for FLUSH_PATIENCE at most: the SDK's own time-outs don't hold while it sends."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        sending = Thread(target=provider.shutdown, name="last-spans", daemon=True)
        sending.start()
        sending.join(FLUSH_PATIENCE)


def _resource() -> Resource:
    attributes = {
        "service.name": os.environ.get("OTEL_SERVICE_NAME", topology().project),
        "deployment.environment.name": environment().environment,
        "worker.group": group_name(),
        "process.pid": os.getpid(),
    }
    return Resource.create({name: value for name, value in attributes.items() if value is not None})


def _start_child(**_: object) -> None:
    start()


def _start_main(sender: Any, **_: object) -> None:
    # Threads and greenlets run inside this process; worker_process_init never comes there.
    if not issubclass(get_implementation(sender.pool_cls), prefork.TaskPool):
        start()


def _stop(**_: object) -> None:
    stop()
