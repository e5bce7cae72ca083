"""Once: whoever dies where, comes late, or comes twice."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from config.env import BASE_DIR
from tests.conftest import until
from tests.delivery.ground import Ground
from workers.topology import topology

CHARGE = "shop.tasks.batch.charge_once"
POSTGRESQL = pytest.mark.parametrize("on", ["on_postgresql"], indirect=True)
#: Where a charge may be when its process dies.
PLACES = ("claimed", "charged", "completed", "committed")


def claims(ground: Ground) -> list[tuple[str, int]]:
    """State and number of holders of each claim."""
    return ground.sql("SELECT state, tries FROM delivery_claim")


@pytest.mark.parametrize(
    ("on", "store"), [("on_sqlite", "database"), ("on_postgresql", "database"), ("on_sqlite", "redis")], indirect=["on"]
)
def test_of_two_hundred_at_once_one_gets_the_claim(on: Ground, store: str) -> None:
    """Four processes with 50 threads each."""
    command = [sys.executable, "-m", "tests.delivery.race", store, "key"]
    racers = [
        subprocess.Popen(command, cwd=BASE_DIR, env=on.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    told: Counter[str] = Counter()
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        told.update(json.loads(racer.communicate(timeout=240)[0]))
    assert told == {"Taken": 1, "Busy": 199}


@pytest.mark.parametrize(
    ("on", "pool", "many"),
    [("on_postgresql", "prefork", 200), ("on_postgresql", "threads", 20), ("on_postgresql", "gevent", 20)],
    indirect=["on"],
)
def test_of_many_deliveries_one_charges(on: Ground, pool: str, many: int) -> None:
    """The others wait without a slot, use up no retry, and end with the first one's result."""
    workers = [on.worker(pool=pool, slots=4)]
    ids = on.send(CHARGE, times=many, key="one", seconds=1)
    until(lambda: all(on.state(task) == "SUCCESS" for task in ids), "their ends")
    assert on.ledger("one") == [1]
    assert claims(on) == [("done", 1)]
    assert sum(len(worker.events("task_done_before")) for worker in workers) == many - 1


@pytest.mark.parametrize(
    ("on", "place"), [("on_sqlite", "completed"), *(("on_postgresql", place) for place in PLACES)], indirect=["on"]
)
def test_a_process_that_dies_leaves_the_charge_to_the_next(on: Ground, place: str, tmp_path: Path) -> None:
    """Killed before, in and after its transaction; the claim of a process that is known to be dead is not waited for."""
    on.worker()
    (task,) = on.send(CHARGE, key="one", at=place, folder=str(tmp_path))
    until(lambda: (tmp_path / f"{place}.pid").exists() and (tmp_path / f"{place}.pid").read_text(), "the charge")
    os.kill(int((tmp_path / f"{place}.pid").read_text(encoding="ascii")), signal.SIGKILL)
    (tmp_path / "go").touch()
    until(lambda: on.state(task) == "SUCCESS", "the second run")
    assert on.ledger("one") == [1]
    assert claims(on) == [("done", 1 if place == "committed" else 2)]


@POSTGRESQL
def test_a_holder_that_hangs_is_replaced_and_commits_nothing(on: Ground, tmp_path: Path) -> None:
    """Frozen beyond its lease, in threads that nobody kills; it wakes up, believes that no time has passed, and is told."""
    frozen = on.worker(pool="threads")
    (first,) = on.send(CHARGE, key="one", at="claimed", folder=str(tmp_path))
    until((tmp_path / "claimed.pid").exists, "the claim")
    frozen.freeze()
    on.worker(pool="threads")
    (second,) = on.send(CHARGE, key="one")
    until(lambda: on.state(second) == "SUCCESS", "the take-over")  # a lease is 6 s and a margin of 10
    assert [run for (run,) in on.sql("SELECT run FROM ledger")] == [second]
    (tmp_path / "go").touch()
    frozen.freeze(signal.SIGCONT)
    until(lambda: frozen.events("claim_lost"), "its notice")
    until(lambda: on.state(first) == "SUCCESS", "its end with the other one's result")
    assert on.ledger("one") == [1]


@POSTGRESQL
def test_a_claim_in_redis_is_worth_as_much_while_redis_is_there(on: Ground) -> None:
    """Cheaper, and no part of the transaction."""
    on.worker(slots=4)
    ids = on.send("shop.tasks.batch.charge_in_redis", times=20, key="one", seconds=1)
    queue, held = (f"{topology().project}:{name}" for name in ("batch", "unacked"))
    until(lambda: not on.broker.llen(queue) and not on.broker.hlen(held), "the end")
    assert len(ids) == 20
    assert on.ledger("one") == [1]
