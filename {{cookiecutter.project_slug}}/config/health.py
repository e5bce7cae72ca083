"""Two probes. /healthz: this process answers. /readyz: so do the database, the broker and the result backend.

A middleware rather than views, because a probe comes by address, without TLS, a session or a host name that
ALLOWED_HOSTS knows. Anybody may ask, so an answer names components and times, never hosts or errors: those are logged.
"""

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Lock, Thread
from time import monotonic
from typing import Any, Final

import structlog
from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from kombu import Connection

#: Seconds a caller waits for all components together.
PATIENCE: Final = 2.0
#: Seconds before a check's own sockets give up; then its thread ends and the next caller starts a new one.
SOCKET_TIMEOUTS: Final = {"socket_connect_timeout": PATIENCE, "socket_timeout": PATIENCE}

logger = structlog.get_logger(__name__)


class Probe:
    """One component's check. At most one runs at a time; whoever asks meanwhile shares its outcome.

    So a stuck peer holds one thread, however often it is asked about. The thread is a daemon: it does not hold up the
    end of the process either.
    """

    def __init__(self, component: str, check: Callable[[], None]) -> None:
        self.component = component
        self._check = check
        self._lock = Lock()
        self._running: Future[dict[str, Any]] | None = None

    def start(self) -> Future[dict[str, Any]]:
        """Begin a check, or join the one that runs."""
        with self._lock:
            if self._running is None or self._running.done():
                self._running = Future()
                Thread(target=self._run, args=(self._running,), name=f"probe-{self.component}", daemon=True).start()
            return self._running

    def _run(self, outcome: Future[dict[str, Any]]) -> None:
        began = monotonic()
        try:
            self._check()
            status = "ok"
        except Exception as error:  # noqa: BLE001 (whatever it is, the component does not answer)
            status = "failed"
            logger.warning("not_ready", component=self.component, error=f"{type(error).__name__}: {error}")
        outcome.set_result({"status": status, "ms": round((monotonic() - began) * 1000, 1)})


def readiness(probes: tuple[Probe, ...]) -> dict[str, dict[str, Any]]:
    """Ask all components at once; what has not answered in time is "timeout"."""
    running = {probe.component: probe.start() for probe in probes}
    wait(running.values(), timeout=PATIENCE)
    late = {"status": "timeout", "ms": PATIENCE * 1000}
    return {name: outcome.result() if outcome.done() else late for name, outcome in running.items()}


def check_database() -> None:
    """Ask the database through a connection of this thread's own."""
    connection = connections["default"]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()


def check_broker() -> None:
    """Connect as a producer does, with the same TLS and Sentinel options."""
    from config.celery import app  # noqa: PLC0415 (it reads Django's settings, which name this module)

    with app.connection_for_write(connect_timeout=PATIENCE, transport_options=SOCKET_TIMEOUTS) as connection:
        connection.connect()


def check_results() -> None:
    """Connect to the result backend. kombu speaks its protocol too, in all the forms a broker can have."""
    from config.celery import app  # noqa: PLC0415

    conf = app.conf
    options = {**(conf.result_backend_transport_options or {}), **SOCKET_TIMEOUTS}
    tls = conf.redis_backend_use_ssl or False
    with Connection(conf.result_backend, connect_timeout=PATIENCE, ssl=tls, transport_options=options) as connection:
        connection.connect()


PROBES: Final = (
    Probe("database", check_database),
    Probe("broker", check_broker),
    Probe("results", check_results),
)


def healthz() -> HttpResponse:
    """Answer at all: that is the whole message."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz() -> JsonResponse:
    """Say what answers; status 503 where something does not, so that a balancer sends requests elsewhere."""
    components = readiness(PROBES)
    ready = all(component["status"] == "ok" for component in components.values())
    return JsonResponse({"ready": ready, "components": components}, status=200 if ready else 503)


class HealthMiddleware:
    """Answers both probes before any other middleware sees them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.answers = {"/healthz": healthz, "/readyz": readyz}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a probe, pass on everything else."""
        answer = self.answers.get(request.path)
        if answer is None:
            return self.get_response(request)
        response = answer()
        response.headers["Cache-Control"] = "no-store"
        return response
