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

from config.env import environment
from workers.brokers.redis.client import client
from workers.derive import redis, sentinel

#: Seconds a caller waits for all components together.
PATIENCE: Final = 2
#: Seconds an outcome is passed on without asking again, and seconds it stands in while somebody else asks. So a storm
#: of callers, who need no password, costs one question a second and one waiting thread.
FRESH: Final = 1.0
RECENT: Final = 10.0
#: Seconds before a check's own sockets give up; then its thread ends and the next caller starts a new one.
SOCKET_TIMEOUTS: Final = {"socket_connect_timeout": PATIENCE, "socket_timeout": PATIENCE}

logger = structlog.get_logger(__name__)


class Check:
    """One run of a component's check, in a thread of its own."""

    def __init__(self, component: str, ask: Callable[[], None]) -> None:
        self.component = component
        self.ended: Future[dict[str, Any]] = Future()
        self._ask = ask
        self._began = monotonic()
        self._ended_at: float | None = None
        # A daemon: a stuck peer does not hold up the end of the process.
        Thread(target=self._run, name=f"probe-{component}", daemon=True).start()

    def outcome(self) -> dict[str, Any]:
        """Wait until the check has had its time; then it is "timeout" for everybody at once."""
        wait([self.ended], timeout=PATIENCE - self.age)
        return self.ended.result() if self.ended.done() else {"status": "timeout", "ms": self._milliseconds()}

    @property
    def age(self) -> float:
        """Seconds since the check began."""
        return monotonic() - self._began

    @property
    def stale(self) -> bool:
        """Whether the outcome is known and too old to pass on."""
        return self._ended_at is not None and monotonic() - self._ended_at > FRESH

    def _run(self) -> None:
        status = "ok"
        try:
            self._ask()
        except Exception as error:  # noqa: BLE001 (whatever it is, the component does not answer)
            status = "failed"
            logger.warning("not_ready", component=self.component, error=f"{type(error).__name__}: {error}")
        self.ended.set_result({"status": status, "ms": self._milliseconds()})
        self._ended_at = monotonic()

    def _milliseconds(self) -> float:
        return round(self.age * 1000, 1)


class Probe:
    """A component to ask about: one check runs at a time, so a stuck peer holds one thread, however many ask."""

    def __init__(self, component: str, ask: Callable[[], None]) -> None:
        self.component = component
        self._ask = ask
        self._lock = Lock()
        self._check: Check | None = None
        self._last: Check | None = None

    def check(self) -> Check:
        """Begin a check, or find the one whose outcome will do."""
        with self._lock:
            if self._check is None or self._check.stale:
                self._last, self._check = self._check, Check(self.component, self._ask)
                return self._check
            # Somebody waits for this one already: one waiting thread is enough.
            waiting = not self._check.ended.done() and self._check.age < PATIENCE
            return self._last if waiting and self._last and self._last.age < RECENT else self._check


def readiness(probes: tuple[Probe, ...]) -> dict[str, dict[str, Any]]:
    """Ask all components at once."""
    checks = [probe.check() for probe in probes]
    return {check.component: check.outcome() for check in checks}


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

    options = _bounded(app.conf.broker_transport_options)
    _connect(app.connection_for_write(connect_timeout=PATIENCE, transport_options=options))


def check_results() -> None:
    """Ask the store of results for a sign of life."""
    env = environment()
    url = env.result_url.get_secret_value()
    options: dict[str, Any] = {**SOCKET_TIMEOUTS, **(redis.tls(url, env.tls_ca_file) or {})}
    sentinels = None
    if redis.is_sentinel(url):
        options["patience"] = 0
        sentinels = sentinel.arguments(env.sentinels, env.tls_ca_file)
    with client(url, sentinels, variable="RESULT_URL", **options) as asked:
        asked.ping()


def _bounded(options: dict[str, Any] | None) -> dict[str, Any]:
    """Shorten all waits: a worker may take its time to connect, a probe may not."""
    return {**(options or {}), **SOCKET_TIMEOUTS, "patience": 0}


def _connect(connection: Connection) -> None:
    """Try each node once: kombu itself would go round again and sleep in between."""
    with connection:
        others = max(len(connection.alt) - 1, 0)
        connection.ensure_connection(max_retries=others, interval_start=0, interval_step=0, timeout=PATIENCE)


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
