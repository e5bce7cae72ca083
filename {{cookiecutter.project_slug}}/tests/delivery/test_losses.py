"""A task whose process dies is run again, a bounded number of times, in groups of both ways to acknowledge."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import until
from tests.delivery.stage import Stage, stage
from workers.derive.virtual_host import DELIVERY_LIMIT

#: Acknowledges early, and late.
GROUPS = ("default", "priority")


@pytest.fixture(scope="module", params=GROUPS)
def busy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_server: str
) -> Iterator[Stage]:
    """A worker of each group in turn, whose children the tests kill as they like; on databases of its own."""
    with stage(tmp_path_factory.mktemp(request.param), redis_server, request.param, database=8) as made:
        made.start()
        yield made


@pytest.fixture(params=GROUPS)
def place(request: pytest.FixtureRequest, tmp_path: Path, redis_server: str) -> Iterator[Stage]:
    """An empty broker for workers of each group in turn."""
    with stage(tmp_path, redis_server, request.param) as made:
        yield made


@pytest.fixture
def late(tmp_path: Path, redis_server: str) -> Iterator[Stage]:
    """The group that acknowledges late."""
    with stage(tmp_path, redis_server, "priority") as made:
        yield made


@pytest.fixture
def early(tmp_path: Path, redis_server: str) -> Iterator[Stage]:
    """The group that acknowledges early."""
    with stage(tmp_path, redis_server, "default") as made:
        yield made


def test_a_task_whose_child_died_is_run_again(busy: Stage) -> None:
    """Celery acknowledges it as failed; acknowledged early it would be gone, too."""
    ids = [busy.send("die", how, 1) for how in ("KILL", "SEGV", "exit", "sys.exit", "memory")]
    for task_id in ids:
        busy.noted(f"done {task_id}")
    assert [busy.runs(task_id) for task_id in ids] == [2] * 5
    busy.settled()
    assert busy.letters() == []


def test_a_task_that_kills_each_child_is_given_up_and_starves_nobody(busy: Stage) -> None:
    """It is run three times here, with pauses in which its only slot is the others'."""
    poison = busy.send("die", "SEGV", 99)
    others = [busy.send("work", 0) for _ in range(20)]
    for task_id in others:
        busy.noted(f"done {task_id}")
    assert busy.runs(poison) < 3
    letter = busy.letter(poison)
    assert (letter["reason"], letter["attempts"], busy.runs(poison)) == ("lost", 3, 3)
    assert "SIGSEGV" in letter["message"]
    busy.settled()
    told = [event["losses"] for event in busy.workers[0].events("task_sent_again") if event["task_id"] == poison]
    assert told == [1, 2]


def test_a_task_sent_again_keeps_what_it_was(busy: Stage) -> None:
    """Its id, its arguments, the moment it was first sent, and whatever else its headers hold."""
    task_id = busy.send("die", "KILL", 99, headers={"traceparent": "00-1"})
    headers = busy.letter(task_id)["headers"]
    kept = {name: headers[name] for name in ("id", "losses", "traceparent")}
    assert kept == {"id": task_id, "losses": 2, "traceparent": "00-1"}
    assert headers["first_sent"] < headers["eta"]


def test_a_message_that_came_back_too_often_is_given_up(busy: Stage) -> None:
    """As RabbitMQ does it by its policy, with the same number."""
    last = busy.send("work", 0, headers={"deliveries": DELIVERY_LIMIT})
    one_more = busy.send("work", 0, headers={"deliveries": DELIVERY_LIMIT + 1})
    assert busy.letter(one_more)["reason"] == "deliveries"
    busy.noted(f"done {last}")
    assert busy.runs(one_more) == 0
    busy.settled()


def test_a_hard_limit_ends_in_a_dead_letter(busy: Stage) -> None:
    """Celery acknowledges it, and nothing is left but a line in a log."""
    task_id = busy.send("stick")
    letter = busy.letter(task_id)
    assert (letter["reason"], letter["attempts"]) == ("time limit", 1)
    busy.settled()
    assert busy.runs(task_id) == 1


def test_a_hard_limit_ends_a_greenlet_in_a_dead_letter_too(late: Stage) -> None:
    """There the pool has no other limit."""
    late.start("gevent", 2)
    letter = late.letter(late.send("stick"))
    assert letter["reason"] == "time limit"
    late.settled()


@pytest.mark.parametrize("pool", ["threads", "gevent"])
def test_a_task_that_leaves_its_thread_is_run_again(place: Stage, pool: str) -> None:
    """Celery waits for it for ever there, with one slot less."""
    place.start(pool)
    ids = [place.send("die", how, 1) for how in ("sys.exit", "memory")]
    for task_id in ids:
        place.noted(f"done {task_id}")
    place.settled()


def test_a_message_of_a_worker_that_died_is_run_by_another(late: Stage) -> None:
    """And counted: a task that kills the whole worker each time would be handed on for ever."""
    worker = late.start()
    task_id = _begun(late, 30)
    worker.kill()
    late.forget_for_hours()
    late.start()
    late.noted(f"run {task_id} deliveries=1")


def test_a_broker_that_takes_nothing_when_the_child_dies_costs_nothing(place: Stage) -> None:
    """What takes the task's place is kept in memory until the broker takes it."""
    worker = place.start()
    task_id = _begun(place, 20)
    with place.full():
        os.kill(worker.children()[0], signal.SIGKILL)
        until(lambda: worker.events("not_sent"), "the attempt in vain")
    until(lambda: place.runs(task_id) == 2, "the second run")
    assert [len(worker.events(event)) for event in ("not_sent", "sent_at_last", "task_sent_again")] == [1, 1, 1]


def test_what_is_kept_in_memory_is_not_acknowledged_before_it_is_sent(late: Stage) -> None:
    """A worker that dies then would take it along."""
    worker = late.start()
    _begun(late, 20)
    with late.full():
        os.kill(worker.children()[0], signal.SIGKILL)
        until(lambda: worker.events("task_sent_again"), "the attempt in vain")
        before = late.refused()
        until(lambda: late.refused() > before, "another one")  # whatever the first one led to is done by then
        worker.kill()
    assert late.unacknowledged() == 1


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_a_task_that_a_cold_stop_interrupts_is_given_back(place: Stage, pool: str) -> None:
    """Celery loses it where it was acknowledged early; and in a gevent worker always, because it reports a success."""
    worker = place.start(pool)
    task_id = _begun(place, 30)
    worker.tell(signal.SIGQUIT)
    worker.left(25)
    _is_given_back(place, task_id)


def test_a_stop_waits_for_a_broker_that_takes_nothing(early: Stage) -> None:
    """For some seconds: what was acknowledged early is nowhere else."""
    worker = early.start()
    task_id = _begun(early, 30)
    with early.full():
        worker.tell(signal.SIGQUIT)
        until(lambda: worker.events("not_sent"), "the attempt in vain")
    worker.left()
    _is_given_back(early, task_id)


def test_a_thread_is_not_interrupted_and_its_task_is_done_once(place: Stage) -> None:
    """No thread can be stopped: the worker waits for it, and does not fall over Celery's attempt."""
    worker = place.start("threads")
    task_id = _begun(place, 8)
    worker.tell(signal.SIGQUIT)
    worker.left()
    assert len(worker.events("task_not_stopped")) == 1
    assert f"done {task_id}" in place.ledger
    place.settled()


@pytest.mark.parametrize("way", ["TERM", "control"])
def test_a_warm_stop_ends_what_runs_and_leaves_the_rest_in_the_queue(place: Stage, way: str) -> None:
    """What was prefetched goes back."""
    worker = place.start()
    first = place.send("work", 2)
    rest = {place.send("work", 0) for _ in range(3)}
    place.noted(f"run {first} deliveries=0")
    if way == "TERM":
        worker.tell(signal.SIGTERM)
    else:
        place.app.control.shutdown()
    assert worker.left() == 0
    assert f"done {first}" in place.ledger
    done = {task_id for task_id in rest if f"done {task_id}" in place.ledger}
    assert done | {message["headers"]["id"] for message in place.waiting()} == rest
    assert place.unacknowledged() == 0


def test_a_stop_waits_for_a_task_that_was_just_handed_to_its_child(place: Stage) -> None:
    """Celery gives it back, and the child does it all the same: twice, in a restart of a worker that is not idle."""
    worker = place.start(include="tests.delivery.probes,tests.delivery.hasty")
    task_id = place.send("work", 1)
    assert worker.left() == 0
    assert f"done {task_id}" in place.ledger
    assert (place.waiting(), place.unacknowledged()) == ([], 0)


@pytest.mark.parametrize("told", ["run", "asked"])
def test_a_soft_limit_strikes_once_in_a_stop(late: Stage, told: str) -> None:
    """Before the stop, or in it: Celery's two clocks would interrupt the clean-up that the first has asked for."""
    worker = late.start()
    task_id = late.send("tidy", 3)
    late.noted(f"{told} {task_id}")
    worker.tell(signal.SIGTERM)
    assert worker.left() == 0
    assert late.ledger.count(f"asked {task_id}") == 1
    assert f"done {task_id}" in late.ledger


def test_a_hard_limit_strikes_in_a_stop(late: Stage) -> None:
    """Nobody waits for a task that does not end."""
    worker = late.start()
    task_id = late.send("stick")
    late.noted(f"run {task_id}")
    worker.tell(signal.SIGTERM)
    assert worker.left() == 0
    assert late.letter(task_id)["reason"] == "time limit"
    assert late.unacknowledged() == 0


def test_what_is_done_before_its_hard_limit_is_done_in_a_stop(late: Stage) -> None:
    """Whatever its neighbours do: Celery looks at one child after the other, half a second at each that is busy."""
    worker = late.start(concurrency=12)
    neighbours = [late.send("work", 9) for _ in range(9)]
    within = [
        late.send("work", seconds, soft_time_limit=seconds + 1, time_limit=seconds + 1.5) for seconds in (3, 4, 5)
    ]
    for task_id in (*neighbours, *within):
        late.noted(f"run {task_id} deliveries=0")
    worker.tell(signal.SIGTERM)
    assert worker.left() == 0
    assert {f"done {task_id}" for task_id in (*neighbours, *within)} <= {*late.ledger}
    assert (late.letters(), late.waiting(), late.unacknowledged()) == ([], [], 0)
    assert "time limit" not in worker.log.read_text(encoding="utf-8")


def _begun(place: Stage, seconds: float) -> str:
    """A task that runs, and was acknowledged if it is to be so early; the id."""
    task_id = place.send("work", seconds)
    place.noted(f"run {task_id} deliveries=0")
    held = int(place.group == "priority")
    until(lambda: place.unacknowledged() == held, "an early acknowledgement")
    return task_id


def _is_given_back(place: Stage, task_id: str) -> None:
    """As a message that came back, not as one whose process died."""
    [headers] = [message["headers"] for message in place.waiting()]
    assert (headers["id"], headers.get("losses")) == (task_id, None)
    assert headers["deliveries"] in (1, 2)  # 2: the worker that leaves took it once more, and put it back
    assert place.unacknowledged() == 0
    assert f"done {task_id}" not in place.ledger
