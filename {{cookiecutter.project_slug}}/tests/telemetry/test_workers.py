"""Logs, traces and error reports of real workers, in every kind of pool."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.config.web import silent_server
from tests.conftest import environment_on, until
from tests.telemetry.collector import Collector, running_collector
from tests.telemetry.processes import POOLS, Worker, publish, read_lines, running_worker
from tests.telemetry.publish import CONTEXT, SECRET


@dataclass
class Run:
    """What one worker and one publisher left behind."""

    published: list[dict[str, Any]]
    logged: list[dict[str, Any]]
    worker: Worker
    collector: Collector

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The worker's lines of one event."""
        return [line for line in self.logged if line["event"] == event]


@pytest.fixture(scope="module", params=POOLS)
def run(request: pytest.FixtureRequest, redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A worker that has run one task well and one badly, and has ended."""
    folder = tmp_path_factory.mktemp(request.param)
    with running_collector() as collector:
        env = environment_on(redis_server, **collector.variables)
        with running_worker(request.param, folder, env) as worker:
            published = publish(env, "ok", "fail")
            until(lambda: worker.events("task_succeeded") and worker.events("task_failed"), "the two tasks")
            worker.stop()
        yield Run(published, read_lines(worker.log), worker, collector)


def test_each_line_of_a_task_names_it_and_its_request(run: Run) -> None:
    """From one line an operator finds the task, its group and the web request it began with."""
    for line in (*run.lines("task_started"), *run.lines("task_succeeded"), *run.lines("task_failed")):
        found = {name: line[name] for name in ("task", "queue", "group", "retries")}
        assert found == {"task": "celery.accumulate", "queue": "default", "group": "default", "retries": 0}
        assert line["task_id"]
    assert [line["request_id"] for line in run.lines("task_started")] == ["request-0", "request-1"]
    assert [line["request_id"] for line in run.lines("task_failed")] == ["request-1"]


def test_nothing_is_said_twice(run: Run) -> None:
    """One line when a task is sent, one when it starts, one when it ends."""
    assert [line["event"] for line in run.published].count("task_enqueued") == 2
    counts = {event: len(run.lines(event)) for event in ("task_started", "task_succeeded", "task_failed")}
    assert counts == {"task_started": 2, "task_succeeded": 1, "task_failed": 1}
    about_tasks = [line for line in run.logged if "celery.accumulate" in str(line)]
    assert len(about_tasks) == 4, about_tasks


def test_a_failure_has_a_traceback_that_machines_can_read(run: Run) -> None:
    """Type, message and frames are fields; the frames hold no variables."""
    (line,) = run.lines("task_failed")
    assert line["exception"][0]["exc_type"] == "IndexError"
    assert {"filename", "lineno", "name"} == set(line["exception"][0]["frames"][-1])


def test_arguments_are_nowhere(run: Run) -> None:
    """Neither logs nor spans nor events show what the customer typed."""
    everything = str([run.published, run.logged, [span.text for span in run.collector.spans], run.collector.events])
    assert "accumulate" in everything
    assert SECRET not in everything


def test_only_the_id_of_a_request_travels(run: Run) -> None:
    """What else the web process knew about its request stays there."""
    assert CONTEXT in str(run.published)
    assert CONTEXT not in str(run.logged)


def test_spans_reach_the_collector_before_the_process_ends(run: Run) -> None:
    """The last task's span is sent at the end, and hangs on the span that sent the task."""
    sent = {span.identity: span for span in run.collector.spans if span.name == "apply_async/celery.accumulate"}
    ran = [span for span in run.collector.spans if span.name == "run/celery.accumulate"]
    assert (len(sent), len(ran)) == (2, 2)
    assert all(span.parent in sent and span.trace == sent[span.parent].trace for span in ran)
    assert {span.resource["worker.group"] for span in ran} == {"default"}


def test_a_failure_is_one_event(run: Run) -> None:
    """Sentry hears of it once, although it is logged as well."""
    assert [event["exception"]["values"][-1]["type"] for event in run.collector.events] == ["IndexError"]
    assert run.collector.events[0]["extra"]["celery-job"]["task_name"] == "celery.accumulate"


def test_a_collector_that_never_answers_does_not_hold_up_the_end(redis_server: str, tmp_path: Path) -> None:
    """A deployment goes on while the telemetry is down."""
    with silent_server() as port:
        silent = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "SENTRY_DSN": f"http://k@127.0.0.1:{port}/1",
        }
        env = environment_on(redis_server)
        with running_worker("prefork", tmp_path, {**env, **silent}) as worker:
            publish(env, "fail")
            until(lambda: worker.events("task_failed"), "the task")
            assert worker.stop() < 8  # the exporter itself would wait for 10 seconds


def test_what_is_not_configured_is_not_imported(redis_server: str, tmp_path: Path) -> None:
    """Without an endpoint and a DSN, neither set-up costs memory or time, in the worker or in its children.

    redis-py itself looks for OpenTelemetry's metrics where the package is installed; the rest of it stays out.
    """
    env = environment_on(redis_server, PYTHONPROFILEIMPORTTIME="1")  # Python then writes each import to standard error
    with running_worker("prefork", tmp_path, env) as worker:
        publish(environment_on(redis_server), "ok")
        until(lambda: '"task_succeeded"' in worker.log.read_text(encoding="utf-8"), "the task")
        worker.stop()
        imported = worker.log.read_text(encoding="utf-8")
    assert "structlog" in imported
    for package in ("opentelemetry.exporter", "opentelemetry.instrumentation", "sentry_sdk", "telemetry.tracing"):
        assert package not in imported
