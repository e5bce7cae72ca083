"""The project's own applications."""

from importlib import import_module
from importlib.util import find_spec

from config.env import Variables

# The one line outside an app that names it. Its urls.py, env.py, schedule.py and tasks/ are found by their names.
PROJECT_APPS = ["shop"]


def environments_of(apps: list[str]) -> list[type[Variables]]:
    """The `Environment` of every app that has an env.py."""
    return [import_module(f"{app}.env").Environment for app in apps if find_spec(f"{app}.env")]
