"""Workers on a real broker: systemd hears of them as long as they consume, and not when they are deaf."""

import signal
from pathlib import Path

import pytest

from tests.conftest import free_port, until
from tests.delivery.stage import Stage
from tests.supervision.supervised import PERIOD, POOLS, Supervised, supervised

EVERY_POOL = pytest.mark.parametrize("pool", POOLS)


def fill(worker: Supervised, seconds: float, tasks: int = 6) -> None:
    """Give it more tasks than it has slots, each of which takes so long."""
    for _ in range(tasks):
        worker.send(seconds)
    worker.until_status("2 of 2 slots busy")


@EVERY_POOL
def test_it_is_ready_and_says_how_it_is(ground: Stage, pool: str) -> None:
    """Only its main process talks; what a task starts does not even know where."""
    with supervised(ground, pool) as worker:
        worker.until_ready()
        worker.until_status("batch: 0 of 2 slots busy, 0 done, 0 waiting")
        for _ in range(6):
            worker.send()
        names = ground.result(ground.send("names"))
        worker.until_status("batch: 0 of 2 slots busy, 7 done, 0 waiting")
        assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & set(names)
        assert {said.pid for said in worker.systemd.heard} == {worker.worker.process.pid}
        assert len(worker.systemd.times("READY=1")) == 1


@EVERY_POOL
def test_a_deaf_one_falls_silent(ground: Stage, pool: str) -> None:
    """A message waits, a slot is free, and nobody in the worker knows that its consumer is gone."""
    with supervised(ground, pool) as worker:
        worker.until_ready()
        worker.suffer("deafen")
        worker.send()  # which its last question still gets
        worker.send()
        worker.until_silent()
        until(lambda: worker.worker.events("worker_deaf"), "the line in the log", PERIOD)
        assert "wait, 2 of 2 slots are free, and it receives nothing" in worker.systemd.status
        worker.suffer("cure")
        worker.until_status("0 of 2 slots busy, 2 done, 0 waiting")
        assert worker.worker.events("worker_hears_again")


@EVERY_POOL
def test_a_busy_one_lives(ground: Stage, pool: str) -> None:
    """Every slot is taken for longer than the watchdog waits, and more tasks wait."""
    with supervised(ground, pool) as worker:
        worker.until_ready()
        fill(worker, 3 * PERIOD)
        worker.live()


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
@pytest.mark.parametrize("busy", [True, False])
def test_one_whose_main_loop_hangs_falls_silent(ground: Stage, pool: str, busy: bool) -> None:
    """Whatever its slots do."""
    with supervised(ground, pool) as worker:
        worker.until_ready()
        if busy:
            fill(worker, 10 * PERIOD)
        worker.block(6 * PERIOD)
        worker.until_silent()


def test_one_whose_queue_an_operator_cancelled_lives(ground: Stage) -> None:
    """It is deaf by order."""
    with supervised(ground) as worker:
        worker.until_ready()
        ground.app.control.cancel_consumer("batch", reply=True, timeout=10)
        worker.send()
        worker.send()
        worker.until_status("told not to consume")
        worker.live()


def test_a_deaf_one_that_holds_tasks_for_later_falls_silent(ground: Stage) -> None:
    """On Redis a worker takes tasks with a countdown at once, and has room for others all the same."""
    with supervised(ground) as worker:
        worker.until_ready()
        for _ in range(4):
            worker.send(countdown=600)
        until(lambda: ground.unacknowledged() == 4, "the taking of what is not due")
        worker.send()
        worker.until_status("0 of 2 slots busy, 1 done, 0 waiting")
        worker.suffer("deafen")
        worker.send()
        worker.send()
        worker.until_silent()


def test_one_that_waits_for_its_broker_to_start_may_take_longer(ground: Stage) -> None:
    """It says so again and again, and for what it waits; a start that hangs says nothing."""
    nowhere = {"BROKER_URL": f"redis://127.0.0.1:{free_port()}/0"}
    with supervised(ground, variables=nowhere) as worker:
        until(lambda: len(worker.systemd.times("EXTEND_TIMEOUT_USEC=60000000")) >= 2, "its asking for more time")
        assert worker.systemd.status.startswith("waiting for the broker: ")
        assert "refuses connections: nothing listens there" in worker.systemd.status
        assert not worker.systemd.times("READY=1")


def test_a_stop_says_what_it_waits_for(ground: Stage) -> None:
    """And is not cut short by the watchdog, whatever it takes."""
    with supervised(ground) as worker:
        worker.until_ready()
        worker.send(2 * PERIOD)
        worker.until_status("1 of 2 slots busy")
        worker.worker.tell(signal.SIGTERM)
        worker.until_status("batch: stopping: 1 task runs, for ", 3)
        assert worker.systemd.times("STOPPING=1")
        worker.until_status(" of at most 900 s", 3)
        worker.live(PERIOD + 2)
        assert worker.worker.left() == 0


def test_without_systemd_there_is_no_thread(ground: Stage) -> None:
    """On a laptop nothing is looked at and nobody is asked."""
    with supervised(ground, variables={"NOTIFY_SOCKET": ""}) as worker:
        worker.worker.until_ready()
        threads = Path(f"/proc/{worker.worker.process.pid}/task").iterdir()
        assert len(list(threads)) == 1
        assert not worker.systemd.heard
