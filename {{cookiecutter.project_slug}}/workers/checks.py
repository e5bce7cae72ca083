"""The topology among Django's system checks: `manage.py check`, migrate, runserver and the tests run it."""

from typing import Any

from django.core.checks import Error, register

from config.celery import app
from workers.startup import task_problems
from workers.topology import load


@register("workers")
def check_tasks(**_: Any) -> list[Error]:
    """An error for each disagreement between workers.yml and the project's tasks."""
    return [Error(str(problem), id=f"workers.{problem.code}") for problem in task_problems(app, load())]
