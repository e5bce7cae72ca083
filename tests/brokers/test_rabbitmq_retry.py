"""A task that asks for a retry while the broker refuses to take it is not lost."""

import json
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.brokers.clients import Clients
from tests.brokers.observers import project as observed_project
from tests.brokers.observers.processes import Observers
from tests.brokers.rabbitmq import PROJECT, RabbitMQ
from tests.project.running import Project
from tests.waiting import until

#: A task that retries once; its group acknowledges late. Nothing keeps results here, errors included.
TASK: Final = """

from tests.brokers.observers.events import record


@shared_task(bind=True, max_retries=1, store_errors_even_if_ignored=False)
def again(self, identifier: str) -> None:
    record("run", "now", f"{identifier} attempt {self.request.retries}")
    if not self.request.retries:
        raise self.retry(countdown=0)
"""
GROUP: Final = "batch"
COUNT: Final = 6
#: The group's policy, with a limit that COUNT tasks exceed even when the worker has taken some of them.
FULL: Final = {
    "max-length": 1,
    "overflow": "reject-publish",
    "dead-letter-exchange": "dead",
    "dead-letter-routing-key": GROUP,
    "delivery-limit": 20,
}


@pytest.fixture
def project(observed: Project, tmp_path: Path) -> Project:
    """The observed project with that task."""
    root = tmp_path / "project"
    shutil.copytree(observed.root, root, symlinks=True)
    with (root / f"probe/tasks/{GROUP}.py").open("a", encoding="utf-8") as tasks:
        tasks.write(TASK)
    return Project(root, observed.python)


def test_a_retry_that_is_refused_puts_the_task_back(rabbitmq: RabbitMQ, project: Project, tmp_path: Path) -> None:
    """The queue is full, so no retry can be sent. Once it takes messages again each task has its retry."""
    rabbitmq.wait_healthy()
    clients = Clients(rabbitmq, project, tmp_path)
    _send(clients)
    _fill(rabbitmq)
    try:
        with clients.observers() as observers:
            clients.worker(observers, "retrying", GROUP)
            until(lambda: max(_runs(observers, 0).values(), default=0) > 1, lambda: f"a run\n{observers.tails()}", 60)
            assert not _runs(observers, 1)
            observed_project.declare(project, rabbitmq)  # which mends the policy
            until(lambda: len(_runs(observers, 1)) == COUNT, lambda: f"every retry\n{observers.tails()}", 60)
            until(lambda: not _waiting(rabbitmq, f"{GROUP}"), "an empty queue")
        assert not _waiting(rabbitmq, f"{GROUP}.dead")
    finally:
        observed_project.declare(project, rabbitmq)
        rabbitmq.clear()


def _send(clients: Clients) -> None:
    clients.ask(
        f"""
from probe.tasks.{GROUP} import again
for number in range({COUNT}):
    again.delay(str(number))
answer = None
"""
    )


def _fill(cluster: RabbitMQ) -> None:
    """Lower the queue's limit below what is in it."""
    where = ("-p", PROJECT, "--apply-to", "queues", "--priority", "10")
    cluster.ctl(cluster.hosts[0], "set_policy", *where, GROUP, f"^{GROUP}$", json.dumps(FULL))
    time.sleep(1)  # until the queue's leader has heard of it


def _runs(observers: Observers, attempt: int) -> Counter[str]:
    runs = (event.id for event in observers.seen() if event.what == "run")
    return Counter(run.partition(" ")[0] for run in runs if run.endswith(f" attempt {attempt}"))


def _waiting(cluster: RabbitMQ, queue: str) -> int:
    listed = cluster.ctl(
        cluster.hosts[0], "--quiet", "list_queues", "-p", PROJECT, "--formatter", "json", "name", "messages"
    )
    return next(int(each["messages"]) for each in json.loads(listed) if each["name"] == queue)
