"""What is looked at before a message becomes a task: nothing in it may end the worker, or hold its queue.

Celery takes a message at its word. A header of another kind than it expects raises in the worker's main process, and
what is not an InvalidTaskError ends it; the message goes back to the queue, and ends the next worker.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from celery.app.task import Context
from celery.exceptions import InvalidTaskError
from kombu.exceptions import ContentDisallowed, DecodeError

from workers.delivery.dead.letter import Reason
from workers.delivery.headers import DELIVERIES, LOSSES, REPLAYS, count
from workers.delivery.size import LARGEST_BODY
from workers.derive.virtual_host import DELIVERY_LIMIT
from workers.topology.model import MAX_SECONDS

#: Characters of a task's id; Celery's own have 36. It becomes a key of the store of results.
LONGEST_ID: Final = 255
#: What the data of a message can raise in code that reads it. Everything else is not the message's fault.
DATA_ERRORS: Final = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)

_TEXT: Final = (str, type(None))
_MOMENT: Final = (str, datetime, type(None))
_LIST: Final = (list, tuple, type(None))
_TABLE: Final = (dict, type(None))
#: Kinds of the headers that Celery and we read. A header named like anything else that Celery calls a run's context by
#: (`retries`, but also its methods) would take that one's place: none of these is sent by anybody.
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    **dict.fromkeys(vars(Context), ()),
    **dict.fromkeys(("task", "id"), (str,)),
    **dict.fromkeys(("shadow", "root_id", "parent_id", "group", "argsrepr", "kwargsrepr", "origin", "lang"), _TEXT),
    **dict.fromkeys(("eta", "expires"), _MOMENT),
    **dict.fromkeys(("retries", LOSSES, DELIVERIES, REPLAYS), (int,)),
    **dict.fromkeys(("group_index", "replaced_task_nesting", "ignore_result"), (int, type(None))),
    **dict.fromkeys(("timelimit", "stamped_headers"), _LIST),
    **dict.fromkeys(("stamps", "headers"), _TABLE),
}
#: What the last part of a body holds: the tasks that go with this one.
_EMBEDDED: Final[Mapping[str, tuple[type, ...]]] = {
    **dict.fromkeys(("callbacks", "errbacks", "chain"), _LIST),
    "chord": _TABLE,
}
_SHADOWS: Final = frozenset(_KINDS.keys() - _EMBEDDED.keys())


class RefusedError(Exception):
    """A message that is not run, and why: the reason of its dead letter, and the error that says more."""

    def __init__(self, reason: Reason, error: Exception) -> None:
        """`reason` is one of a dead letter's."""
        super().__init__(reason, str(error))
        self.reason: Reason = reason
        self.error = error


def inspect(message: Any, tasks: Mapping[str, Any]) -> None:
    """Raise RefusedError unless the message can be made a task of; `tasks` are those of this worker, by name."""
    _refuse_large(message)
    try:
        _look_at_headers(message.headers, tasks)
        _look_at_body(message.payload)
    except (DecodeError, ContentDisallowed) as error:
        raise RefusedError("not decodable", error) from error
    except (InvalidTaskError, *DATA_ERRORS) as error:
        raise RefusedError("invalid", error) from error
    if (deliveries := count(message.headers, DELIVERIES)) > DELIVERY_LIMIT:
        why = f"it came back {deliveries} times, each time unfinished; the limit is {DELIVERY_LIMIT}"
        raise RefusedError("deliveries", InvalidTaskError(why))


def _refuse_large(message: Any) -> None:
    """Before it is decoded, which takes 50 times as much memory."""
    if (size := len(message.body or b"")) > LARGEST_BODY:
        why = f"a body of {size} bytes; {LARGEST_BODY} are the most"
        raise RefusedError("too large", InvalidTaskError(why))


def _look_at_headers(headers: Any, tasks: Mapping[str, Any]) -> None:
    if not isinstance(headers, dict) or "task" not in headers:
        raise InvalidTaskError("no header names a task; tasks are sent by Celery's message protocol 2")
    for name, value in headers.items():
        if (kinds := _KINDS.get(name)) is not None and not isinstance(value, kinds):
            raise InvalidTaskError(f"header {name!r}: expected {_named(kinds)}, got {type(value).__name__}")
    if not 0 < len(headers["id"]) <= LONGEST_ID:
        raise InvalidTaskError(f"header 'id': expected 1 to {LONGEST_ID} characters, got {len(headers['id'])}")
    if min(headers.get("retries", 0), headers.get(LOSSES, 0), headers.get(DELIVERIES, 0)) < 0:
        raise InvalidTaskError("header 'retries', 'losses' or 'deliveries': expected 0 or more")
    if headers.get("eta"):
        _look_at_eta(headers["eta"])
    if headers.get("timelimit") not in (None, [None, None]):
        _look_at_limits(headers["timelimit"], tasks.get(headers["task"]))


def _look_at_eta(eta: str | datetime) -> None:
    """One that never comes would be held for ever."""
    moment = datetime.fromisoformat(eta) if isinstance(eta, str) else eta
    latest = datetime.now(UTC) + timedelta(seconds=MAX_SECONDS)
    if (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) > latest:
        raise InvalidTaskError(f"header 'eta': {moment.isoformat()} is more than {MAX_SECONDS} s away")


def _look_at_limits(limits: Any, task: Any) -> None:
    """One above the group's, which the sender refuses, would outlast a stop and the broker's patience."""
    longest = getattr(task, "longest_run", 0) or MAX_SECONDS
    hard, soft = limits
    if not all(limit is None or 0 < limit <= longest for limit in (hard, soft)):
        raise InvalidTaskError(f"header 'timelimit': expected two numbers up to {longest}, got {limits}")


def _look_at_body(payload: Any) -> None:
    args, kwargs, embedded = payload
    if not isinstance(args, list | tuple) or not isinstance(kwargs, dict) or not isinstance(embedded, dict):
        raise InvalidTaskError("the body: expected a list, a mapping and a mapping")
    if not _SHADOWS.isdisjoint(embedded):
        raise InvalidTaskError(f"the body's last part may hold {', '.join(_EMBEDDED)}")
    for name, kinds in _EMBEDDED.items():
        tasks = embedded.get(name)
        among = tasks if isinstance(tasks, list) else ()
        if not isinstance(tasks, kinds) or not all(isinstance(task, dict) for task in among):
            raise InvalidTaskError(f"the body's {name!r}: expected {_named(kinds)}, of tasks")


def _named(kinds: tuple[type, ...]) -> str:
    return " or ".join(kind.__name__.replace("NoneType", "nothing") for kind in kinds) or "no such header"
