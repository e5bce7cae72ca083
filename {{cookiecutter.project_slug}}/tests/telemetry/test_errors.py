"""What Sentry is told, and by whom."""

import subprocess
import sys

from config.env import BASE_DIR
from tests.conftest import environment_on
from tests.telemetry.collector import running_collector

# What a worker does: the main process reports, then a child starts and reports; here without the fork.
CHILD = """
import logging, django, sentry_sdk
django.setup()
from celery import signals
logging.getLogger("celery.worker.request").error("Task handler raised error")
sentry_sdk.capture_message("from the main process")
before = sentry_sdk.get_client()
before.flush(5)
signals.worker_process_init.send(sender="default@host")
assert sentry_sdk.get_client() is not before, "the child would send through its parent's connection"
sentry_sdk.capture_message("from the child")
sentry_sdk.flush(5)
"""


def test_each_process_reports_through_a_connection_of_its_own() -> None:
    """A forked child that wrote into its parent's open connection would garble both; what is logged twice is sent once."""
    with running_collector() as collector:
        env = environment_on("redis://127.0.0.1:1", SENTRY_DSN=collector.variables["SENTRY_DSN"])
        subprocess.run([sys.executable, "-c", CHILD], cwd=BASE_DIR, env=env, timeout=240, check=True)
    assert [event["message"] for event in collector.events] == ["from the main process", "from the child"]
