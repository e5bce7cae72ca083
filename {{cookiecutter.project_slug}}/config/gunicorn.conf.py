"""gunicorn: threads in a few processes, behind a proxy. `gunicorn --check-config` reads it in the tests."""

import os
import time

from django.core.exceptions import ImproperlyConfigured

import telemetry
from config.env import environment, select_settings
from telemetry.logs import configure, django_logging
from workers.exits import refuse_to_start
from workers.supervision.notify import status, systemd
from workers.topology import TopologyError, topology

try:
    select_settings()
    _web, _env = topology().web, environment()
    telemetry.prepare_web()
except (ImproperlyConfigured, TopologyError) as error:
    refuse_to_start(str(error))

# The proxy's side only: nobody else may set X-Forwarded-Proto. A socket that systemd hands over goes before this one.
bind = f"127.0.0.1:{_env.web_port}"

# A page waits for the database and the broker most of its time, so threads share a process.
worker_class = "gthread"
workers = _web.processes
threads = _web.threads

# The application is loaded once, before anything is served, and shared: a further process is there in milliseconds.
preload_app = True

# A process is replaced after so many requests, so that leaks stay bounded; the jitter keeps them from going together.
max_requests = 10_000
max_requests_jitter = 2_000

# Seconds without a sign of life before a process is killed. A slow request is no reason: only its thread waits.
timeout = 60
# Seconds that running requests get after SIGTERM; systemd's TimeoutStopSec must be longer.
graceful_timeout = 30
# Seconds an idle connection stays open: longer than the proxy keeps it, or the proxy writes into a closed one.
keepalive = 75

# The sign of life is a file's time stamp: in memory, where a busy disk cannot hold it up.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108, PTH112
# Nothing here speaks to gunicorn while it runs, and the unit gives it no place to make a socket.
control_socket_disable = True

# One JSON line a request, with its request_id, through the same processors as every other line.
configure(django_logging(_env))
logconfig_dict = django_logging(_env)


def when_ready(server: object) -> None:  # noqa: ARG001
    """Tell systemd what there is; that it is ready, gunicorn has told."""
    systemd().tell(status(f"{workers} processes of {threads} threads"))


def on_reload(server: object) -> None:  # noqa: ARG001
    """Tell systemd that new processes come at once; the old ones finish what they have, and nobody waits for that."""
    systemd().tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
    systemd().tell("READY=1")


def post_fork(server: object, worker: object) -> None:  # noqa: ARG001
    """Start tracing in the process that serves: the exporter's thread would not survive the fork."""
    telemetry.start_web()


def post_worker_init(worker: object) -> None:  # noqa: ARG001
    """Ask the services once, beside the first requests: the first probe should not pay for imports."""
    from config.health import PROBES  # noqa: PLC0415 (it needs the application)

    for probe in PROBES:
        probe.check()


def worker_exit(server: object, worker: object) -> None:  # noqa: ARG001
    """Send what is left."""
    telemetry.stop_web()
