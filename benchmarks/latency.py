"""How long an urgent task takes to start at an idle worker, and to be sent: with the delivery layer and without."""

from contextlib import ExitStack
from statistics import median

from benchmarks.figures import Figure, spread
from benchmarks.ground import Ground
from benchmarks.sides import NAMES, Name, Side

ROUNDS = 20
TASKS = 25
#: Tasks of each side before it counts: connections are open, code is warm.
WARM_UP = 50
#: What is timed, and its goal.
TIMED = {"sending a task (apply_async)": "", "a priority task's start after the call that sends it": "+0.3 ms"}

Milliseconds = list[list[float]]


def measure(ground: Ground) -> list[Figure]:
    """Both workers stand idle side by side; ROUNDS times each gets TASKS, in turn."""
    sides = [Side(ground, name) for name in NAMES]
    with ground.redis(), ExitStack() as stack:
        clients = {side.name: stack.enter_context(side.client()) for side in sides}
        for side in sides:
            stack.enter_context(side.worker("priority"))
        ground.wait_for(lambda: all(side.is_ready("priority") for side in sides), "the workers")
        for client in clients.values():
            client.talk(WARM_UP)
        talks = [{name: clients[name].talk(TASKS) for name in order} for order in _orders()]
    return [
        _figure(what, goal, *([talk[name][place] for talk in talks] for name in NAMES))
        for place, (what, goal) in enumerate(TIMED.items())
    ]


def _orders() -> list[list[Name]]:
    """Who comes first: each of them in turn."""
    return [list(NAMES if number % 2 else reversed(NAMES)) for number in range(ROUNDS)]


def _figure(what: str, goal: str, layered: Milliseconds, bare: Milliseconds) -> Figure:
    differences = [median(mine) - median(theirs) for mine, theirs in zip(layered, bare, strict=True)]
    ours, theirs = (median(value for values in rounds for value in values) for rounds in (layered, bare))
    return Figure(
        f"{what}, p50 against the bare one",
        f"{spread(differences, 'ms more')}: {ours:.2f} against {theirs:.2f} ms",
        goal,
        f"one at a time, {ROUNDS} rounds of {TASKS} each in turn",
    )
