"""Error reports: exceptions of requests and tasks, and missed schedules, to SENTRY_DSN.

Never the arguments of tasks, local variables or bodies of requests: they hold what customers typed.
"""

import sentry_sdk
from celery import signals
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.logging import ignore_logger

from config.env import environment

# Loggers that tell once more what task_failed has told: a lost child, a hard time limit.
REPEATED = ("celery.worker.request", "multiprocessing")


def connect() -> None:
    """Report from this process, and anew from each child: a forked one would share its parent's open connection."""
    start()
    signals.worker_process_init.connect(start)


def start(**_: object) -> None:
    """Set up the client of this process."""
    env = environment()
    if env.sentry_dsn is None:
        return
    sentry_sdk.init(
        dsn=env.sentry_dsn.get_secret_value(),
        environment=env.environment,
        integrations=[
            # Traces are OpenTelemetry's: Sentry's own headers would compete with them.
            CeleryIntegration(propagate_traces=False, monitor_beat_tasks=True),
            AtexitIntegration(callback=_say_nothing),
        ],
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        shutdown_timeout=2,  # seconds a process that ends spends on sending what is left
    )
    for name in REPEATED:
        ignore_logger(name)


def _say_nothing(pending: int, timeout: float) -> None:
    """Print nothing at exit: the default writes two lines past the log."""
