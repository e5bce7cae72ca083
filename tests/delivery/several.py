"""The short cut's fault: one after the other strikes what each guarantee is for, within a single cell."""

import time
from typing import Final

from tests.delivery import causes, fullness
from tests.delivery.ground import Ground

#: Rounds in which children are killed; seconds for which the broker takes nothing; and seconds between the last strike
#: and the mending.
ROUNDS: Final = 3
FULL: Final = 4.0
LASTS: Final = 6.0


def strike(ground: Ground) -> None:
    """Children, the store of results, the broker's memory, the workers' main processes; RabbitMQ's leader as well.

    Redis keeps its primary: a fail-over loses some messages, which would hide what a guarantee's loss costs.
    """
    causes.results_away(ground)
    causes.kill_children(ground, ROUNDS)
    fullness.fill_memory(ground)
    time.sleep(FULL)
    fullness.free_memory(ground)
    causes.kill_parents(ground)
    if ground.broker == "rabbitmq":
        causes.strike(ground, "power-loss")


def mend(ground: Ground) -> None:
    """Undo what does not mend itself."""
    if ground.broker == "rabbitmq":
        causes.mend(ground, "power-loss")
    causes.results_back(ground)
