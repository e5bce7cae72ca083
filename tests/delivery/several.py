"""The short cut's fault: one after the other strikes what each guarantee is for, within a single cell."""

import time
from typing import Final

from tests.delivery import causes, fullness
from tests.delivery.ground import Ground
from tests.delivery.kinds import STEPS
from tests.delivery.ledger import Reader
from tests.waiting import until

#: Rounds in which children are killed; seconds for which the broker takes nothing; and seconds between the last strike
#: and the mending.
ROUNDS: Final = 4
FULL: Final = 4.0
LASTS: Final = 6.0


def strike(ground: Ground) -> None:
    """Children, the store of results, the workers' main processes, the broker's memory; RabbitMQ's leader as well.

    Redis keeps its primary: a fail-over loses some messages, which would hide what a guarantee's loss costs.
    """
    causes.results_away(ground)
    causes.kill_children(ground, ROUNDS)
    _wait_for_a_long_task(ground)
    causes.kill_parents(ground)
    fullness.fill_memory(ground)
    time.sleep(FULL)
    fullness.free_memory(ground)
    if ground.broker == "rabbitmq":
        causes.strike(ground, "power-loss")


def mend(ground: Ground) -> None:
    """Undo what does not mend itself."""
    if ground.broker == "rabbitmq":
        causes.mend(ground, "power-loss")
    causes.results_back(ground)


def _wait_for_a_long_task(ground: Ground) -> None:
    """Until one is in the first half of its steps on the host whose processes die next: it would be missed."""
    reader = Reader(ground.struck.reader.file)
    reader.skip()
    until(
        lambda: any(entry.what == "step" and entry.number < STEPS // 2 for entry in reader.new()),
        "a long task on the struck host",
        timeout=60,
    )
