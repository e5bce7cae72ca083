"""The schedule that the code asks for (`<app>/schedule.py`), and its place among the entries.

The code owns what its entries say; the admin may only disable them. The scheduler that becomes active writes down what
its release of the code says.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from celery.schedules import crontab, schedule
from django.core.exceptions import ValidationError

from workers.beat.models import LATE_WITHIN, LONGEST, Entry
from workers.beat.validation import validate_arguments, validate_task
from workers.topology import Problem

#: What an entry of the code may say. `late_within` is this scheduler's own (models.py); the rest is Celery's.
KNOWN: Final = frozenset({"task", "schedule", "args", "kwargs", "options", "late_within"})

Definition = Mapping[str, Any]


class WrongEntryError(ValueError):
    """An entry of the code that could not be sent."""


def problems(entries: Mapping[str, Definition]) -> list[Problem]:
    """What is wrong with the code's entries, all at once."""
    found = []
    for name, definition in entries.items():
        try:
            _fields(definition)
        except WrongEntryError as error:
            found.append(Problem("W27", (name,), str(error)))
    return found


def store(entries: Mapping[str, Definition]) -> None:
    """Make the table say what the code says. What is gone from the code stays, marked, and is sent no more."""
    stored = {entry.name: entry for entry in Entry.objects.all()}
    for name, definition in entries.items():
        _update(stored.get(name) or Entry(name=name), {**_fields(definition), "origin": Entry.Origin.CODE})
    for name, entry in stored.items():
        if entry.origin == Entry.Origin.CODE and name not in entries:
            _update(entry, {"origin": Entry.Origin.GONE})


def _update(entry: Entry, fields: dict[str, Any]) -> None:
    """Save only what differs: a change would begin the entry's slots anew."""
    if entry.pk is None or any(getattr(entry, name) != value for name, value in fields.items()):
        for name, value in fields.items():
            setattr(entry, name, value)
        entry.save()


def _fields(definition: Definition) -> dict[str, Any]:
    """The model's fields of one entry; raises WrongEntryError."""
    if unknown := definition.keys() - KNOWN:
        raise WrongEntryError(f"unknown key {min(unknown)}; known are {', '.join(sorted(KNOWN))}")
    options = dict(definition.get("options") or {})
    fields = {
        "task": str(definition.get("task", "")),
        **_timing(definition.get("schedule")),
        "args": _plain(list(definition.get("args") or [])),
        "kwargs": _plain(dict(definition.get("kwargs") or {})),
        "expires": _seconds("options.expires", options.pop("expires", None)),
        "late_within": _seconds("late_within", definition.get("late_within", LATE_WITHIN), least=0),
    }
    if options:
        raise WrongEntryError(
            f"options has {min(options)}; only `expires` is taken: a task's group gives it its queue and limits"
        )
    try:
        validate_task(fields["task"])
        validate_arguments(fields["task"], fields["args"], fields["kwargs"])
    except ValidationError as error:
        raise WrongEntryError(" ".join(error.messages)) from error
    return fields


def _timing(value: Any) -> dict[str, Any]:
    if isinstance(value, crontab):
        return {"cron": _cron(value), "every": None}
    run_every = getattr(value, "run_every", None) if isinstance(value, schedule) else value
    seconds = run_every.total_seconds() if isinstance(run_every, timedelta) else run_every
    if seconds is None or isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise WrongEntryError(f"schedule must be a crontab, a timedelta or seconds; found {type(value).__name__}")
    return {"cron": "", "every": _seconds("schedule", seconds)}


def _cron(value: crontab) -> str:
    """The five fields as text, in cron's order."""
    names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    return " ".join(_field(getattr(value, f"_orig_{name}")) for name in names)


def _field(value: Any) -> str:
    """Celery takes a number, text, or several numbers."""
    if isinstance(value, str | int):
        return "".join(str(value).split())
    return ",".join(map(str, sorted(value)))


def _seconds(name: str, value: Any, least: int = 1) -> int | None:
    if value is None:
        return None
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)
    if not whole or not least <= value <= LONGEST:
        raise WrongEntryError(f"{name} must be whole seconds from {least} to {LONGEST}; found {value}")
    return int(value)


def _plain(value: Any) -> Any:
    """As the table keeps it and the broker carries it."""
    try:
        return json.loads(json.dumps(value))
    except TypeError as error:
        raise WrongEntryError(f"its arguments are not JSON: {error}") from error
