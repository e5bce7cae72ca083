"""The scheduler and the relay say that they are ready, how they are, and that they live while their loops turn."""

import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.conftest import environment_on, start, until
from tests.supervision.listener import Listener
from workers.delivery import duties
from workers.delivery.duties import Duty
from workers.supervision.notify import Systemd


@pytest.mark.parametrize(("command", "told"), [(["beat", "run"], "active"), (["relay"], "6 duties")])
def test_it_is_ready_and_lives(
    command: list[str], told: str, redis_server: str, sqlite_database: str, tmp_path: Path
) -> None:
    """A real process each."""
    with Listener(str(tmp_path / "notify")) as systemd, (tmp_path / "log").open("wb") as log:
        own = {"DATABASE_URL": sqlite_database, "NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "60000000"}
        service = [sys.executable, "-m", "workers", *command]
        process = start(service, environment_on(redis_server, 4, **own), stdout=log, stderr=log)
        try:
            until(lambda: len(systemd.times("WATCHDOG=1")) >= 2, "a second sign of life")
            assert systemd.times("READY=1")
            assert told in systemd.statuses
            assert {said.pid for said in systemd.heard} == {process.pid}
        finally:
            process.terminate()
            process.wait()


def test_a_relay_whose_duty_is_stuck_falls_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other duties go on; nobody would see that one of them does not."""
    monkeypatch.setattr(duties, "ALIVE_EVERY", 0.02)
    monkeypatch.setattr(duties, "STUCK", 0.5)
    stopping, end = Event(), Event()
    all_of_them = [Duty("goes on", 0.01, lambda: 1), Duty("hangs", 0.01, lambda: int(end.wait(60)))]
    with Listener(str(tmp_path / "notify")) as systemd:
        monkeypatch.setattr(duties, "systemd", lambda: Systemd({"NOTIFY_SOCKET": systemd.address}))
        relay = Thread(target=duties.work, args=(all_of_them, stopping), daemon=True)
        relay.start()
        until(lambda: systemd.status == "stuck: hangs", "the word")
        assert systemd.times("WATCHDOG=1")
        said = len(systemd.times("WATCHDOG=1"))
        until(lambda: systemd.statuses.count("stuck: hangs") > 3, "more of it")
        assert len(systemd.times("WATCHDOG=1")) == said
        end.set()
        until(lambda: len(systemd.times("WATCHDOG=1")) > said, "its going on")
        stopping.set()
        relay.join()
