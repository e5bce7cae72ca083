"""Real tasks through every group and every pool of a project that runs."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from tests.project.probe import GROUPS
from tests.project.running import Up

Ask = Callable[[str], Any]


@pytest.fixture(scope="module")
def ask(running: Up) -> Iterator[Ask]:
    """Runs code in a process beside the workers, with the probe's tasks by group; gives back its `answer`."""
    with running.project.shell() as shell:
        yield lambda code: shell(f"from probe.tasks import {', '.join(GROUPS)}\n{code}")


@pytest.mark.parametrize("group", GROUPS)
def test_a_task_runs_in_its_groups_worker_and_its_result_comes_back(running: Up, ask: Ask, group: str) -> None:
    """Prefork, spawn, threads and gevent alike."""
    assert ask(f"answer = {group}.where.delay().get(timeout=60)") in _worker_pids(running, group)


def _worker_pids(running: Up, group: str) -> set[int]:
    family = running.process.children(recursive=True)
    return {each.pid for each in family if f"--queues={group}" in each.cmdline() or _spawned_by(each, group)}


def _spawned_by(process: psutil.Process, group: str) -> bool:
    """A spawned child has a command line of its own, and the worker as its parent; a forked one has the worker's."""
    parent = process.parent()
    return parent is not None and f"--queues={group}" in parent.cmdline()


def test_workers_answer_every_time_and_consume_the_queue_of_their_group_only(ask: Ask) -> None:
    """Prefetch counts per queue. Twenty times, because durable control queues lost every fifth answer on Redis."""
    for _ in range(20):
        queues = ask("answer = app.control.inspect(timeout=5, limit=6).active_queues() or {}")
        consumed = {name.partition("@")[0]: [queue["name"] for queue in held] for name, held in queues.items()}
        assert consumed == {group: [group] for group in GROUPS}


@pytest.mark.parametrize("group", ["io", "green"])
def test_waiting_tasks_share_one_process(ask: Ask, group: str) -> None:
    """Twenty slots: twenty sleeps of half a second are over long before one after the other would be."""
    code = (
        "import time; began = time.monotonic()\n"
        f"results = [{group}.sleep.delay(0.5) for _ in range(20)]\n"
        "said = {result.get(timeout=60) for result in results}\n"
        "seconds = time.monotonic() - began\n"
        f"processes = {{{group}.where.delay().get(timeout=60) for _ in range(3)}}\n"
        "answer = [sorted(said), seconds, len(processes)]"
    )
    said, seconds, processes = ask(code)
    assert (said, processes) == (["slept"], 1)
    assert seconds < 20 * 0.5 * 0.8


def test_a_flood_on_batch_does_not_delay_priority(ask: Ask) -> None:
    """All priority tasks, sent behind the flood, are done while most of the flood still waits."""
    code = (
        "flood = [batch.sleep.delay(0.2) for _ in range(60)]\n"
        "for _ in range(20): priority.where.delay().get(timeout=60)\n"
        "answer = sum(not task.ready() for task in flood)\n"
        "app.control.purge()"
    )
    assert ask(code) > 30


def test_soft_limits_reach_the_task(ask: Ask) -> None:
    """A task may lower its own limit; the group's worker enforces it."""
    assert ask("answer = batch.sleep.apply_async((30,), soft_time_limit=1).get(timeout=30)") == "asked to end"


def test_hard_limits_end_the_task(ask: Ask) -> None:
    """Even with a limit far below the group's soft one; and the next task finds a new child."""
    code = (
        "from celery.exceptions import TimeLimitExceeded\n"
        "try: answer = batch.refuse_to_end.apply_async((60,), time_limit=2).get(timeout=30)\n"
        "except TimeLimitExceeded: answer = batch.sleep.delay(0).get(timeout=30)"
    )
    assert ask(code) == "slept"


def test_a_chord_gathers_its_parts(ask: Ask) -> None:
    """Results of the header are kept although results are ignored by default."""
    code = (
        "from celery import chord\n"
        "answer = chord([default.add.s([n, n]) for n in range(10)])(batch.add.s()).get(timeout=60)"
    )
    assert ask(code) == 90


@pytest.mark.parametrize("countdown", [0.2, 2])
def test_a_countdown_is_kept(ask: Ask, countdown: float) -> None:
    """Even one below a second, which RabbitMQ's delayed delivery would refuse."""
    code = f"answer = default.sleep.apply_async((0,), countdown={countdown}).get(timeout=30)"
    assert ask(code) == "slept"


def test_an_unrouted_task_is_refused_where_it_is_sent(ask: Ask) -> None:
    """Not by a message that nobody consumes."""
    code = (
        "from workers.derive.routes import UnroutedTaskError\n"
        "try: app.send_task('probe.tasks.defualt.where'); answer = 'sent'\n"
        "except UnroutedTaskError as error: answer = str(error)"
    )
    assert ask(code) == (
        "no worker group claims the task 'probe.tasks.defualt.where': correct the name, or add it to a group's `tasks` "
        "in workers.yml"
    )


def test_an_unknown_task_in_the_queue_does_not_stop_the_worker(ask: Ask) -> None:
    """Sent by somebody with other code: the next task runs."""
    code = "app.send_task('probe.tasks.default.gone'); answer = default.sleep.delay(0).get(timeout=30)"
    assert ask(code) == "slept"


def test_no_secret_stands_on_a_command_line_or_in_the_log(running: Up) -> None:
    """`ps` shows every user's command lines to every user."""
    names = ("SECRET_KEY", "FLOWER_PASSWORD", "FLOWER_COOKIE_SECRET")
    secrets = [running.project.variable(name) for name in names]
    secrets.append(running.project.variable("BROKER_URL").partition("://:")[2].partition("@")[0])
    shown = [" ".join(process.cmdline()) for process in running.process.children(recursive=True)] + [running.text]
    assert not [secret for secret in secrets for text in shown if secret in text]


def test_flower_wants_a_password(running: Up) -> None:
    """It shows tasks and can stop workers."""
    url = f"http://127.0.0.1:{running.project.variable('FLOWER_PORT')}/workers"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url, timeout=10)
    with refused.value as answer:
        assert answer.code == 401
