"""What a task does when its queue is full: its `when_full`."""

import random
from collections import Counter
from time import monotonic
from typing import Any, Final, Literal

import structlog
from celery.result import EagerResult

from workers.brokers.refusals import QueueFullError
from workers.delivery.pressure.state import QueueState
from workers.delivery.pressure.watch import watch

WhenFull = Literal["send", "refuse", "delay", "shed"]
POLICIES: Final = ("send", "refuse", "delay", "shed")
#: Seconds between two lines in the log about one task: a flood of them would be the next problem.
QUIET: Final = 10.0

logger = structlog.get_logger(__name__)

#: How often each task was refused, delayed or shed in this process.
counts: Counter[tuple[str, str]] = Counter()
_said: dict[tuple[str, str], float] = {}


class ShedError(Exception):
    """The task was not sent, because its queue was full: there will be no result."""


class ShedResult(EagerResult[Any]):
    """The result of a task that was shed: ready, in the state SHED, and without a value."""

    def __init__(self, task_id: str, name: str, queue: str) -> None:
        super().__init__(task_id, None, "SHED", name=name)
        self._why = f"{name} was not sent: the queue {queue!r} was full"

    def get(self, *_: Any, **__: Any) -> Any:
        """Raise ShedError."""
        raise ShedError(self._why)


def heed(task: Any, task_id: str, options: dict[str, Any]) -> ShedResult | None:
    """Do what the task's `when_full` says if its queue is full: raise QueueFullError, put it off, or shed it."""
    queue = _queue(options) or task.group_name
    state = None if task.app.conf.task_always_eager else watch(task.app).state(queue)
    if state is None or not state.full:
        return None
    policy: WhenFull = task.when_full
    _count(task.name, policy, queue, state)
    if policy == "refuse":
        raise QueueFullError(queue, f"{state.depth} wait; {task.name} refuses to add to them", state.retry_after)
    if policy == "delay":
        _put_off(task, state, options)
        return None
    return ShedResult(task_id, task.name, queue)


def _queue(options: dict[str, Any]) -> str:
    queue = options.get("queue") or ""
    return queue if isinstance(queue, str) else str(queue.name)


def _put_off(task: Any, state: QueueState, options: dict[str, Any]) -> None:
    """Give it a countdown, each another one: what is put off together comes back together."""
    if options.get("eta") or options.get("countdown"):
        return  # it comes later as it is
    wait = random.randint(state.retry_after, 2 * state.retry_after)  # noqa: S311 - no secret
    options["countdown"] = min(wait, task.longest_countdown)


def _count(task: str, policy: WhenFull, queue: str, state: QueueState) -> None:
    key = (task, policy)
    counts[key] += 1
    if monotonic() > _said.get(key, 0) + QUIET:
        _said[key] = monotonic()
        logger.warning("queue_full_heeded", task=task, did=policy, queue=queue, waiting=state.depth, so_far=counts[key])
