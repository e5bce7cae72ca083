"""The probes: quick, bounded and discreet, whatever the services do."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, active_count

import pytest
from django.test import Client

from config.env import BASE_DIR
from config.health import PATIENCE, Probe, readiness
from tests.config.web import Web, running_web, silent_server
from tests.conftest import free_port, until
from workers.topology import topology


def threads_of(pid: int) -> int:
    """The number of threads of a process, as the kernel counts them."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def test_probes_answer_whatever_host_they_ask_for(client: Client) -> None:
    """A balancer asks by address; ALLOWED_HOSTS, sessions and TLS are not its business."""
    response = client.get("/healthz", headers={"host": "10.1.2.3"})
    assert (response.status_code, response.content) == (200, b"ok\n")
    assert response.headers["Cache-Control"] == "no-store"
    assert client.get("/login/", headers={"host": "10.1.2.3"}).status_code == 400


def test_a_component_that_fails_is_named_and_its_error_kept_in(caplog: pytest.LogCaptureFixture) -> None:
    """The public learns which one; the log learns why."""

    def fail() -> None:
        raise ConnectionError("db7.internal refused u:pw")

    found = readiness((Probe("database", fail), Probe("broker", lambda: None)))
    assert {name: outcome["status"] for name, outcome in found.items()} == {"database": "failed", "broker": "ok"}
    assert "internal" not in json.dumps(found)
    assert "db7.internal refused" in caplog.text


def test_a_stuck_component_holds_one_thread_however_often_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers share the check that runs; when it has ended, the next caller starts a new one."""
    monkeypatch.setattr("config.health.PATIENCE", 0.05)
    monkeypatch.setattr("config.health.FRESH", 0)
    answered, asked = Event(), []

    def stuck() -> None:
        asked.append(1)
        answered.wait(10)

    probe = Probe("broker", stuck)
    before = active_count()
    for _ in range(20):
        assert readiness((probe,))["broker"]["status"] == "timeout"
    assert (len(asked), active_count() - before) == (1, 1)
    answered.set()
    probe.check().ended.result(timeout=5)
    assert readiness((probe,))["broker"]["status"] == "ok"
    assert len(asked) == 2


def test_an_outcome_is_shared_for_a_second() -> None:
    """Anybody may ask, so a storm of callers must not become one of connections."""
    asked: list[int] = []
    probe = Probe("broker", lambda: asked.append(1))
    for _ in range(50):
        assert readiness((probe,))["broker"]["status"] == "ok"
    assert len(asked) == 1


def test_one_waiting_caller_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one asks anew, the others are told what was known a moment ago: pages keep their threads."""
    monkeypatch.setattr("config.health.FRESH", 0)
    answers, wanted = Event(), Event()
    answers.set()

    def ask() -> None:
        wanted.set()
        answers.wait(10)

    probe = Probe("broker", ask)
    assert readiness((probe,))["broker"]["status"] == "ok"
    answers.clear()
    wanted.clear()
    with ThreadPoolExecutor(1) as first:
        waiting = first.submit(readiness, (probe,))
        wanted.wait(5)
        began = time.monotonic()
        assert readiness((probe,))["broker"]["status"] == "ok"
        assert time.monotonic() - began < PATIENCE / 2
        assert not waiting.done()
        monkeypatch.setattr("config.health.RECENT", 0)
        answers.set()
        assert waiting.result()["broker"]["status"] == "ok"


def test_services_that_accept_and_never_answer_do_not_hang_the_probe(tmp_path: Path) -> None:
    """All three components silent, a storm of probes: bounded time, bounded threads, no secrets, and a quick end."""
    with silent_server() as port:
        urls = {
            "DATABASE_URL": f"postgres://u:hunter2@127.0.0.1:{port}/x",
            "BROKER_URL": f"amqp://u:hunter2@127.0.0.1:{port}/x",
            "RESULT_URL": f"redis://:hunter2@127.0.0.1:{port}/1",
        }
        with running_web(tmp_path, **urls) as web, ThreadPoolExecutor(16) as callers:
            idle = max(threads_of(pid) for pid in web.workers())
            began = time.monotonic()
            status, body = web.get("/readyz")
            assert time.monotonic() - began < PATIENCE + 1
            assert status == 503
            components = json.loads(body)["components"]
            assert all(outcome["status"] != "ok" for outcome in components.values()), body
            assert not {"hunter2", str(port), "127.0.0.1"} & set(body.replace('"', " ").split())
            storm = [callers.submit(web.get, "/readyz") for _ in range(128)]
            assert all(answer.result()[0] == 503 for answer in storm)
            assert time.monotonic() - began < 4 * PATIENCE  # each waiting in turn: 32 seconds
            assert web.get("/healthz")[0] == 200
            assert max(threads_of(pid) for pid in web.workers()) <= idle + len(components) + web_threads()
            assert web.stop() < 25  # a thread that hangs would keep it for the 30 of graceful_timeout
    log = (tmp_path / "web.log").read_text(encoding="utf-8")
    assert "hunter2" not in log
    assert "Service Unavailable" not in log


EACH_CHECK = """
import django
django.setup()
from concurrent.futures import ThreadPoolExecutor
from config.health import check_broker, check_database, check_results
def fails(check):
    try:
        check()
    except Exception:
        return True
with ThreadPoolExecutor(3) as pool:
    print(list(pool.map(fails, (check_broker, check_database, check_results))))
"""


@pytest.mark.parametrize("scheme", ["amqp", "redis"])
def test_a_check_gives_up_by_itself(scheme: str) -> None:
    """A service that has recovered is asked again soon: no check waits for ever for an answer that will not come."""
    with silent_server() as port:
        urls = {
            "DATABASE_URL": f"postgres://u:pw@127.0.0.1:{port}/x",
            "BROKER_URL": f"{scheme}://u:pw@127.0.0.1:{port}/0",
            "RESULT_URL": f"redis://:pw@127.0.0.1:{port}/1",
        }
        env = {**os.environ, "ENVIRONMENT": "test", "DJANGO_SETTINGS_MODULE": "config.settings.test", **urls}
        command = [sys.executable, "-c", EACH_CHECK]
        done = subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout == "[True, True, True]\n"


SECOND_CHECK = """
import django
django.setup()
import time
from config.health import check_broker, check_results
for check in (check_broker, check_results):
    check()  # pays for the imports
    began = time.monotonic()
    check()
    print(time.monotonic() - began)
"""


def test_a_silent_sentinel_leaves_time_for_the_next(sentinel: int) -> None:
    """One Sentinel of several may be stuck: the others know the primary, and the project is ready."""
    with silent_server() as port:
        sentinels = ";".join(f"sentinel://:only-for-tests@127.0.0.1:{each}" for each in (port, sentinel))
        settings = {"ENVIRONMENT": "test", "DJANGO_SETTINGS_MODULE": "config.settings.test", "SENTINEL_URL": sentinels}
        url = "sentinel://:only-for-tests@main/0"
        env = {**os.environ, **settings, "BROKER_URL": url, "RESULT_URL": url}
        command = [sys.executable, "-c", SECOND_CHECK]
        done = subprocess.run(command, cwd=BASE_DIR, env=env, capture_output=True, text=True, timeout=240, check=True)
    assert all(float(seconds) < PATIENCE for seconds in done.stdout.splitlines()), done.stdout


def web_threads() -> int:
    """The threads that gunicorn itself may start, on demand."""
    return topology().web.threads


def settled(web: Web) -> tuple[int, str]:
    """The first answer in which nothing is late: on a busy machine a new process is slow to import its clients."""
    answers: list[tuple[int, str]] = []

    def asked() -> bool:
        answers.append(web.get("/readyz"))
        return "timeout" not in answers[-1][1]

    until(asked, "an answer of all components")
    return answers[-1]


@pytest.mark.parametrize("dead", ["broker", "results"])
def test_the_probe_says_which_service_is_gone(tmp_path: Path, redis_server: str, dead: str) -> None:
    """With real services: ready when all answer, and the one that is gone is named."""
    gone = f"redis://:pw@127.0.0.1:{free_port()}/0"
    urls = {"broker": f"{redis_server}/0", "results": f"{redis_server}/1"} | {dead: gone}
    with running_web(tmp_path, BROKER_URL=urls["broker"], RESULT_URL=urls["results"]) as web:
        status, body = settled(web)
        assert status == 503
        found = {name: outcome["status"] for name, outcome in json.loads(body)["components"].items()}
        assert found == {"database": "ok", "broker": "ok", "results": "ok"} | {dead: "failed"}
        assert {line["component"] for line in web.lines() if line["event"] == "not_ready"} == {dead}
        # kombu itself would sleep for two seconds and try again.
        until(lambda: json.loads(web.get("/readyz")[1])["components"][dead]["ms"] < 1000, "a quick refusal")


def test_a_fresh_process_is_ready_at_once(tmp_path: Path, redis_server: str) -> None:
    """The first question, asked of all components at the same time, finds Celery's settings complete."""
    urls = {"BROKER_URL": f"{redis_server}/0", "RESULT_URL": f"{redis_server}/1"}
    with running_web(tmp_path, **urls) as web:
        assert settled(web)[0] == 200
    assert "not_ready" not in web.log.read_text(encoding="utf-8")
