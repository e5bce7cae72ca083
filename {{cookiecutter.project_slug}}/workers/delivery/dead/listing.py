"""Letters as the operator's commands show them: rows for people, the same as data for programs."""

from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from workers.delivery.dead.arguments import shown
from workers.delivery.dead.values import ago
from workers.delivery.models.letters import DeadLetter, Replay

#: The columns of `workers dead list`; the last takes what room is left.
COLUMNS: Final = ("id", "ago", "task", "group", "reason", "runs", "replays", "exception")


def row(letter: DeadLetter) -> tuple[str, ...]:
    """A letter under COLUMNS."""
    error = letter.exception.rpartition(".")[2]
    return (
        str(letter.pk),
        ago(timezone.now() - letter.last_at),
        letter.task or "-",
        letter.group,
        letter.reason,
        str(letter.attempts),
        str(letter.replays),
        ": ".join(filter(None, (error, letter.message.replace("\n", " ")))),
    )


def data(letter: DeadLetter) -> dict[str, Any]:
    """A letter of the list, for programs."""
    names = ("state", "task", "task_id", "group", "reason", "exception", "message", "attempts", "replays", "worker")
    times = {"first_at": letter.first_at, "last_at": letter.last_at}
    return {"id": letter.pk, **{name: getattr(letter, name) for name in names}, **times}


def facts(letter: DeadLetter, *, reveal: bool) -> dict[str, str]:
    """All there is to say of one letter, but its traceback."""
    arguments = shown(letter, reveal=reveal)
    error = ": ".join(filter(None, (letter.exception, letter.message)))
    return {
        "task": letter.task or "the message names none",
        "task id": letter.task_id or "none",
        "state": letter.get_state_display(),
        "arguments": " ".join(filter(None, (arguments.positional, arguments.keywords))),
        "reason": letter.reason,
        "exception": error or "none",
        "runs": str(letter.attempts),
        "first sent": at(letter.first_at) if letter.first_at else "the message does not say",
        "given up": f"{at(letter.last_at)}, {ago(timezone.now() - letter.last_at)} ago",
        "worker": letter.worker or "none: the broker gave it up",
        "group": letter.group,
        "message": f"{len(letter.body)} bytes, {letter.original.properties.get('content_type', 'of no type')}",
    }


def history(letter: DeadLetter) -> list[tuple[str, str]]:
    """When the task was given up and sent again, the oldest first; nothing is known of what names no task id."""
    letters = [letter]
    if letter.task_id:
        letters = list(DeadLetter.objects.filter(task_id=letter.task_id).only("last_at", "reason", "exception"))
    replays = Replay.objects.filter(letter__in=[each.pk for each in letters])
    events = [(each.last_at, f"given up ({each.pk}): {each.reason} {each.exception}".rstrip()) for each in letters]
    events += [(each.at, f"replay {each.number} by {each.by} to {each.queue}: {each.outcome}") for each in replays]
    return [(at(moment), what) for moment, what in sorted(events)]


def at(moment: datetime) -> str:
    """A moment in the project's time zone, to the second."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}"
