"""What an entry may say; the admin's form, the checks of the code's schedule and beat itself ask here."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from celery import current_app
from celery.schedules import ParseException, crontab
from django.core.exceptions import ValidationError
from django.utils.module_loading import autodiscover_modules

from workers.derive.routes import group_of
from workers.topology import topology


def claimed_tasks() -> list[str]:
    """The names of the project's tasks that a group claims, in order."""
    return sorted(name for name in _tasks() if not name.startswith("celery.") and group_of(topology(), name))


def validate_task(name: str) -> None:
    """Raise ValidationError for a task that no worker would run."""
    if name not in _tasks():
        close = get_close_matches(name, _tasks(), n=1, cutoff=0.6)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ValidationError(f"There is no task {name}.{hint}", code="unknown_task")
    if not group_of(topology(), name):
        raise ValidationError(
            f"No worker group claims {name}: add it to a group's `tasks` in workers.yml.", code="unclaimed_task"
        )


def validate_cron(text: str) -> None:
    """Raise ValidationError for what is no cron expression, or names no day that exists."""
    fields = text.split()
    if len(fields) != 5:  # noqa: PLR2004 - named in the message
        raise ValidationError(
            f"Found {len(fields)} fields; five are needed: minute, hour, day of month, month, weekday.", code="cron"
        )
    if text != " ".join(fields):
        raise ValidationError("Separate the fields by one space each.", code="cron")
    try:
        crontab.from_string(text)
    except (ParseException, ValueError, IndexError) as error:
        raise ValidationError(f"Not a cron expression: {error}", code="cron") from error


def validate_arguments(task: str, args: Any, kwargs: Any) -> None:
    """Raise ValidationError for arguments that are not a list and an object, or that the task does not take."""
    wrong = {}
    if not isinstance(args, list):
        wrong["args"] = f"A list is needed, such as [1, 2]; found {type(args).__name__}."
    if not isinstance(kwargs, dict):
        wrong["kwargs"] = f'An object is needed, such as {{"day": "2026-11-21"}}; found {type(kwargs).__name__}.'
    if wrong:
        raise ValidationError(wrong)
    registered = _tasks().get(task)
    if registered is None or not registered.typing:
        return
    try:
        registered.__header__(*args, **kwargs)
    except TypeError as error:
        raise ValidationError({"kwargs": f"The task does not take these arguments: {error}"}) from error


def _tasks() -> Mapping[str, Any]:
    autodiscover_modules("tasks")
    current_app.finalize()
    return current_app.tasks
