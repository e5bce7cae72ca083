"""Beat's schedule: what each app of the project asks for in its `schedule.py`."""

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def schedule(apps: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The entries of `<app>/schedule.py:SCHEDULE` of every app that has one, each named `<app>.<entry>`."""
    return {f"{app}.{name}": entry for app in apps for name, entry in _of(app).items()}


def _of(app: str) -> dict[str, dict[str, Any]]:
    if find_spec(f"{app}.schedule") is None:
        return {}
    entries: dict[str, dict[str, Any]] = import_module(f"{app}.schedule").SCHEDULE
    return entries
