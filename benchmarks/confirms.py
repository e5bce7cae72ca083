"""How fast the project publishes with confirms on RabbitMQ, against the raw client, one message after the other."""

import json
from statistics import median

from benchmarks import rabbitmq
from benchmarks.figures import Figure, spread
from benchmarks.ground import Ground

ROUNDS = 15
MESSAGES = 100
#: What is compared, by the names in confirming.py's answer, with which of the others, what that is, and the goal.
COMPARED = (
    ("transport", "raw", "one message after the other, against py-amqp", "1"),
    ("together", "raw", "as the outbox's relay does, 100 and one wait, against py-amqp one by one", "1"),
    ("task", "celery", "apply_async, against Celery's own", "1"),
    ("task", "raw", "apply_async, which makes the message too, against py-amqp, which is given one", ""),
)


def measure(ground: Ground) -> list[Figure]:
    """All of them in turn, ROUNDS times, in one process, on one node."""
    program = rabbitmq.server()
    if program is None:
        return [Figure("publishing with confirms", "left out", "1", "this machine has no rabbitmq-server")]
    with rabbitmq.node(ground, program) as url:
        environment = {**ground.environment, "BROKER_URL": url, "LOG_FORMAT": "json"}
        arguments = (str(ROUNDS), str(MESSAGES))
        with ground.conversation("benchmarks.within.confirming", *arguments, environment=environment) as process:
            printed, _ = process.communicate(timeout=600)
    if process.returncode:
        raise RuntimeError("the publisher failed; why is in confirming.log")
    found: dict[str, list[float]] = json.loads(printed)
    return [_figure(found[way], found[other], about, goal) for way, other, about, goal in COMPARED]


def _figure(ours: list[float], others: list[float], about: str, goal: str) -> Figure:
    ratios = [theirs / mine for mine, theirs in zip(ours, others, strict=True)]
    rate, other = (MESSAGES / median(seconds) for seconds in (ours, others))
    return Figure(
        f"publishing with confirms: {about}",
        f"{spread(ratios, 'of its speed')}: {rate:,.0f} against {other:,.0f} a second",
        goal,
        f"one node, a quorum queue; {ROUNDS} rounds of {MESSAGES} each in turn",
    )
