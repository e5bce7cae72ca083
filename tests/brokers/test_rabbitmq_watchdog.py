"""A worker on RabbitMQ that is deaf gives no sign of life; one that holds all it may, or whose queue is gone, does."""

import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.brokers.clients import Clients
from tests.brokers.observers import project as observed_project
from tests.project.running import Project
from tests.waiting import until

#: Seconds of WatchdogSec here; units have 60.
WATCHDOG: Final = 8
#: Makes the worker deaf: the server has no consumer of its any more, and it does not know.
_DEAFEN: Final = "answer = app.control.broadcast('deafen', reply=True, timeout=20, limit=1)"


@pytest.fixture
def systemd(observed: Project, tmp_path: Path) -> Iterator[Any]:
    """Who listens; as the project's own tests do."""
    file = observed.root / "tests/supervision/listener.py"
    spec = importlib.util.spec_from_file_location("listener", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.Listener(str(tmp_path / "notify")) as listener:
        yield listener


def test_one_whose_consumer_is_gone_falls_silent(rabbitmq_clients: Clients, systemd: Any) -> None:  # noqa: ANN401
    """Messages wait, its slots are free; its connection and its heartbeats are as they should be."""
    with rabbitmq_clients.observers() as observers:
        _start(rabbitmq_clients, observers, systemd)
        rabbitmq_clients.publish("priority", 3, kind="before")
        until(lambda: "3 done, 0 waiting" in systemd.status, lambda: f"the tasks' end; {systemd.status}")
        assert rabbitmq_clients.ask(_DEAFEN)
        rabbitmq_clients.publish("priority", 2, kind="after")
        until(lambda: systemd.silence() > WATCHDOG, lambda: f"silence; {systemd.status}")
        assert "2 wait, 2 of 2 slots are free, and it receives nothing" in systemd.status


def test_one_whose_queue_was_deleted_waits_for_it(rabbitmq_clients: Clients, systemd: Any) -> None:  # noqa: ANN401
    """The server cancels its consumer then; it says what it waits for, lives, and goes on."""
    with rabbitmq_clients.observers() as observers:
        _start(rabbitmq_clients, observers, systemd)
        cluster = rabbitmq_clients.cluster
        cluster.hosts[0].run("rabbitmqctl", "delete_queue", "--vhost", "observed", "priority", timeout=60)
        try:
            until(lambda: "waiting for the queue priority" in systemd.status, lambda: systemd.status)
            deleted = time.monotonic()
            until(lambda: time.monotonic() > deleted + 1.5 * WATCHDOG or systemd.silence() > WATCHDOG, "the time")
            assert systemd.silence() < WATCHDOG
        finally:
            observed_project.declare(rabbitmq_clients.project, cluster)
        rabbitmq_clients.publish("priority", 1, kind="again")
        until(lambda: "1 done, 0 waiting" in systemd.status, lambda: f"the task's end; {systemd.status}")


def _start(clients: Clients, observers: Any, systemd: Any) -> None:  # noqa: ANN401
    # What a deaf one left is not to be counted as done by the next.
    clients.cluster.hosts[0].run("rabbitmqctl", "purge_queue", "--vhost", "observed", "priority", timeout=60)
    told = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": str(WATCHDOG * 1_000_000)}
    command = [
        str(clients.project.python),
        "-m",
        "workers",
        "run",
        "priority",
        "--",
        "-I",
        "tests.systemd.probe.ailing",
    ]
    observers.start("watched", command, clients.environment(told))
    until(lambda: systemd.times("READY=1"), lambda: f"READY=1; {systemd.status}; {observers.tails()}")
