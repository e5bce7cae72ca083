"""Logs, traces and error reports of the real web server."""

import urllib.parse
from pathlib import Path

import pytest

from tests.config.web import Web, running_web
from tests.telemetry.collector import Collector, running_collector

SECRET = "zqx-typed-by-a-customer"


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Web, Collector]:
    """A server that has answered one request with an error, and has ended: its database has no tables."""
    folder = tmp_path_factory.mktemp("web")
    with running_collector() as collector, running_web(folder, **collector.variables) as web:
        cookie, token = _csrf(web)
        form = urllib.parse.urlencode({"username": SECRET, "password": SECRET, "csrfmiddlewaretoken": token})
        status, body = web.post("/login/", form, cookie)
        assert (status, "Something went wrong" in body) == (500, True)
        web.stop()
    return web, collector


def _csrf(web: Web) -> tuple[str, str]:
    _, body = web.get("/login/")
    token = body.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    return f"csrftoken={token}", token


def test_an_error_is_one_line_with_the_id_of_its_request(failed: tuple[Web, Collector]) -> None:
    """The access log and the exception name the same request; no second logger repeats it."""
    lines = failed[0].lines()
    (error,) = [line for line in lines if line["level"] == "error"]
    assert error["exception"][0]["exc_type"] == "OperationalError"
    (access,) = [line for line in lines if line.get("status") == 500]
    assert access["request_id"] == error["request_id"]


def test_an_error_is_one_event_without_what_was_typed(failed: tuple[Web, Collector]) -> None:
    """Sentry learns of it once, and neither the form nor the cookies."""
    events = failed[1].events
    assert [event["exception"]["values"][-1]["type"] for event in events] == ["OperationalError"]
    assert SECRET not in str(events)
    assert "csrftoken" not in str(events)


def test_requests_are_traced_and_sent_before_the_process_ends(failed: tuple[Web, Collector]) -> None:
    """Both requests are there although the server stopped at once; probes are not."""
    names = sorted(span.name for span in failed[1].spans)
    assert names == ["GET login/", "POST login/"]


def test_what_is_not_configured_is_not_imported(tmp_path: Path) -> None:
    """Without an endpoint and a DSN, a web process carries neither."""
    with running_web(tmp_path, PYTHONPROFILEIMPORTTIME="1") as web:
        web.stop()
    imported = web.log.read_text(encoding="utf-8")
    assert "django_structlog" in imported
    for package in ("opentelemetry.exporter", "opentelemetry.instrumentation", "sentry_sdk", "telemetry.tracing"):
        assert package not in imported
