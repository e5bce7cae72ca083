"""Hostile messages on real brokers: each becomes a dead letter with its reason, and the queue moves on."""

import json
from collections import Counter
from typing import Final

import pytest

from tests.delivery.cells import BROKERS
from tests.delivery.ground import Ground
from tests.delivery.hostile import MESSAGES
from tests.waiting import until

#: The group that gets them: acknowledged late, so that a message that ends the worker would come back for ever.
GROUP: Final = "priority"
#: Seconds until all are given up; the poisonous task dies four times, with pauses between.
WITHIN: Final = 90

#: Sends one that crashes its process on every run, then a good one behind everything.
_SEND: Final = f"""
from config.env import select_settings
select_settings()
import django
django.setup()
from probe.tasks import {GROUP}
{GROUP}.poison.apply_async(task_id="poisonous")
{GROUP}.note.apply_async(kwargs={{"identifier": "after-them", "seconds": 0}}, task_id="after-them")
"""


@pytest.mark.parametrize("ground", BROKERS, indirect=True)
def test_what_cannot_be_run_is_put_away_and_the_queue_moves_on(ground: Ground) -> None:
    """The workers' main processes are the same as before, and what was sent behind the hostile messages has run."""
    before = _main_processes(ground)
    for worker in ground.workers:
        worker.reader.skip()
    known = _letters(ground)
    ground.controller.run(ground.links("worker"), "-m", "tests.delivery.hostile", ground.broker, GROUP)
    ground.controller.run(ground.links("web"), "-c", _SEND)
    ran: set[str] = set()

    def has_run() -> bool:
        ran.update(entry.id for entry in ground.entries() if entry.what == "done")
        return "after-them" in ran

    until(has_run, "the task behind the hostile messages")
    expected = Counter(message.reason for message in MESSAGES) + Counter(["lost"])
    until(lambda: _letters(ground) - known == expected, lambda: f"{expected}; got {_letters(ground) - known}", WITHIN)
    assert _main_processes(ground) == before
    assert "hostile" not in ran
    for worker in ground.workers:
        assert worker.host.run("test", "-e", "/tmp/unpickled", check=False).returncode == 1  # noqa: S108 - the bait


def _letters(ground: Ground) -> Counter[str]:
    """How many dead letters there are, by their reasons."""
    told = ground.controller.run(ground.links("relay"), "-m", "workers", "dead", "list", "--json", "--state", "any")
    return Counter(letter["reason"] for letter in json.loads(told.stdout)["letters"])


def _main_processes(ground: Ground) -> list[str]:
    """The main process of every group on every host."""
    show = ("systemctl", "show", "--property=MainPID", "--value")
    return [worker.host.run(*show, *worker.workers()).stdout for worker in ground.workers]
