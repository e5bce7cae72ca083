"""A worker that is alive and deaf is replaced within its watchdog; one that is busy or without its broker never is."""

import json
import re
import time
from collections.abc import Iterator
from typing import Final

import pytest

from tests.delivery import results
from tests.systemd.app import NAME, START, App, worker
from tests.systemd.ground import Ground
from tests.waiting import until

#: Seconds of WatchdogSec here; the units have 60. A worker looks every quarter of it, and at most every 5 s.
WATCHDOG: Final = 10
#: One worker for each kind of slot, and their number.
SLOTS: Final = {"batch-1": 2, "io": 10, "green": 10}
#: One whose main loop is held up.
BLOCKED: Final = "default"
EVERYBODY: Final = (*SLOTS, BLOCKED)
DROP_IN: Final = f"/run/systemd/system/celery-worker-{NAME}@{{}}.service.d/90-test.conf"

#: Has something befall workers; returns once that is so, where they can say it.
_BEFALL: Final = """\
from config.env import select_settings
select_settings()
import json, sys
from config.celery import app
command, arguments, workers, reply = json.loads(sys.argv[1])
heard = {}
for worker in workers:
    aim = {"pattern": f"{worker}@*", "matcher": "glob"}
    for answer in app.control.broadcast(command, arguments=arguments, reply=reply, timeout=20, limit=1, **aim) or []:
        heard.update(answer)
assert not reply or len(heard) == len(workers), heard
"""
#: Sends tasks of groups, so many of each, that take so long.
_SEND: Final = """\
from config.env import select_settings
select_settings()
import django
django.setup()
import json, sys
from config.celery import app
import probe.tasks
for task, name, count, seconds in json.loads(sys.argv[1]):
    for number in range(count):
        app.tasks[task].delay(f"{name}-{number}", seconds)
"""
#: Takes away what the last workers left undone.
_FORGET: Final = """\
import os, redis
redis.Redis.from_url(os.environ["BROKER_URL"], ssl_ca_certs=os.environ["TLS_CA_FILE"]).flushdb()
"""
#: Packets of connections that stand vanish, both ways.
_SILENT: Final = """\
table inet silent {{
    chain outgoing {{ type filter hook output priority 0; tcp sport {{ {ports} }} drop; }}
    chain incoming {{ type filter hook input priority 0; tcp dport {{ {ports} }} drop; }}
}}
"""


@pytest.fixture(scope="module")
def app(standing: Ground) -> Iterator[App]:
    """Workers with a short watchdog; each of these tests leaves them running."""
    made = standing.app
    made.host.write(DROP_IN.format(""), f"[Service]\nWatchdogSec={WATCHDOG}\n")
    made.systemctl("daemon-reload")
    made.start(*map(worker, EVERYBODY))
    yield made
    made.quiet()
    for name in ("", "priority", "ml"):
        made.host.run("rm", "-f", DROP_IN.format(name))
    made.systemctl("daemon-reload")
    standing.controller.run(standing.links, "-c", _FORGET)


@pytest.fixture
def restarts(app: App) -> dict[str, int]:
    """How often each was restarted before the test."""
    for name in EVERYBODY:
        app.wait(worker(name), "SubState", "running")
    return {name: restarts_of(app, name) for name in EVERYBODY}


def restarts_of(app: App, name: str) -> int:
    """How often systemd has restarted a worker."""
    return int(app.show(worker(name), "NRestarts"))


def restarted(app: App, before: dict[str, int], *workers: str) -> dict[str, str]:
    """Those that systemd has restarted since, with what the journal says last of them."""
    return {name: app.journal(worker(name))[-6000:] for name in workers if restarts_of(app, name) != before[name]}


def wait_status(app: App, name: str, text: str) -> None:
    """Until a worker says that of itself."""
    until(lambda: text in app.show(worker(name), "StatusText"), lambda: app.status(worker(name)), START)


def befall(ground: Ground, command: str, *workers: str, reply: bool = True, **arguments: object) -> None:
    """Have one of probe/ailing.py's befall workers."""
    ground.controller.run(ground.links, "-c", _BEFALL, json.dumps([command, arguments, workers, reply]))


def send(ground: Ground, *tasks: tuple[str, str, str, int, float]) -> None:
    """Send tasks: each the group, its task, a name, how many, and the seconds that each takes."""
    listed = [(f"probe.tasks.{group}.{task}", name, count, seconds) for group, task, name, count, seconds in tasks]
    ground.controller.run(ground.links, "-c", _SEND, json.dumps(listed))


def ports(app: App, name: str) -> list[str]:
    """The local ports of a worker's main process."""
    listed = app.host.run("ss", "-H", "--tcp", "--numeric", "--processes", "state", "established").stdout
    ours = [line for line in listed.splitlines() if f"pid={app.pid(worker(name))}," in line]
    assert ours, listed
    return [line.split()[2].rpartition(":")[2] for line in ours]


def done(app: App, name: str) -> set[str]:
    """The tasks of that name that have been done."""
    _done.update(entry.id for entry in app.entries() if entry.what == "done")
    return {identifier for identifier in _done if identifier.rpartition("-")[0] == name}


#: What was done so far: the ledger's lines are read once.
_done: Final[set[str]] = set()


def test_a_deaf_one_is_replaced(standing: Ground, app: App, restarts: dict[str, int]) -> None:
    """Its consumer is gone, and nobody in the worker has heard of it; what waits is done by the next one."""
    befall(standing, "deafen", *SLOTS)
    began = time.monotonic()
    send(standing, *((name.partition("-")[0], "note", f"deaf.{name}", 3, 0.1) for name in SLOTS))
    noticed: dict[str, float] = {}
    while len(noticed) < len(SLOTS):
        for name in SLOTS:
            if name not in noticed and restarts_of(app, name) > restarts[name]:
                noticed[name] = time.monotonic() - began
        assert time.monotonic() - began < 6 * WATCHDOG, (noticed, app.status(worker("batch-1")))
    print("\ndeaf to replaced, s:", {name: round(seconds, 1) for name, seconds in noticed.items()})  # noqa: T201
    for name in SLOTS:
        until(lambda name=name: len(done(app, f"deaf.{name}")) == 3, lambda: "the tasks that waited", START)  # type: ignore[misc]
        said = app.journal(worker(name))
        assert "worker_deaf" in said
        assert re.search(r"Watchdog timeout|Fatal Python error: Aborted", said)


def test_one_whose_connections_are_silent_is_replaced(standing: Ground, app: App, restarts: dict[str, int]) -> None:
    """They are held open, and nothing comes through any more; new ones would work."""
    app.host.run("nft", "--file", "-", input=_SILENT.format(ports=", ".join(ports(app, "batch-1"))))
    try:
        send(standing, ("batch", "note", "silent", 3, 0.1))
        until(lambda: restarts_of(app, "batch-1") > restarts["batch-1"], lambda: "its replacement", 4 * WATCHDOG)
        until(lambda: len(done(app, "silent")) == 3, lambda: "the tasks that waited", START)
    finally:
        app.host.run("nft", "delete", "table", "inet", "silent")


def test_one_without_its_broker_is_not(standing: Ground, app: App, restarts: dict[str, int]) -> None:
    """Neither those that ran when it went nor one that is started meanwhile, however long it waits."""
    database = standing.database.host
    for name in EVERYBODY:
        wait_status(app, name, "0 of ")
    app.host.write(DROP_IN.format("priority"), "[Service]\nTimeoutStartSec=8\n")
    app.systemctl("daemon-reload")
    database.run("systemctl", "stop", results.UNIT)
    try:
        app.systemctl("start", "--no-block", worker("priority"))
        gone = time.monotonic()
        wait_status(app, "priority", "waiting for the broker: ")
        for name in EVERYBODY:
            wait_status(app, name, "waiting for the broker")
        until(lambda: time.monotonic() > gone + 2 * WATCHDOG, lambda: "the time", 3 * WATCHDOG)
        assert restarted(app, restarts, *EVERYBODY) == {}
        assert app.show(worker("priority"), "SubState") == "start"
    finally:
        database.run("systemctl", "start", results.UNIT)
    app.wait(worker("priority"), "SubState", "running")
    send(standing, *((name.partition("-")[0], "note", f"away.{name}", 1, 0.1) for name in EVERYBODY))
    for name in EVERYBODY:
        until(lambda name=name: bool(done(app, f"away.{name}")), lambda: "tasks after it came back", START)  # type: ignore[misc]


def test_a_busy_one_is_not_but_one_whose_main_loop_hangs_is(
    standing: Ground, app: App, restarts: dict[str, int]
) -> None:
    """A task as long as the hard limit is on every slot, and more wait than the worker may hold."""
    seconds = {"batch-1": 19.0, "io": 19.0, "green": 9.5}
    tasks = [
        (name.partition("-")[0], "last" if name == "batch-1" else "note", f"busy.{name}", 5 * slots, seconds[name])
        for name, slots in SLOTS.items()
    ]
    send(standing, *tasks, (BLOCKED, "last", "blocked", 2, 9.5))
    for name, slots in SLOTS.items():
        wait_status(app, name, f"{slots} of {slots} slots busy")
    befall(standing, "block", BLOCKED, reply=False, seconds=6 * WATCHDOG)
    until(lambda: restarts_of(app, BLOCKED) > restarts[BLOCKED], lambda: app.status(worker(BLOCKED)), 4 * WATCHDOG)
    until(lambda: len(done(app, "busy.batch-1")) >= 2, lambda: "a task as long as the hard limit", 4 * WATCHDOG)
    assert restarted(app, restarts, *SLOTS) == {}


def test_a_start_that_hangs_is_ended(app: App) -> None:
    """At an import, say: only waiting for the broker extends the time."""
    app.host.write(DROP_IN.format("ml"), "[Service]\nTimeoutStartSec=6\nEnvironment=PROBE_HANGS=yes\nRestart=no\n")
    app.systemctl("daemon-reload")
    app.systemctl("start", "--no-block", worker("ml"))
    app.wait(worker("ml"), "Result", "timeout")
