"""The code's schedule among Django's system checks."""

from typing import Any

from django.core.checks import Error, register

from config.celery import app
from workers.beat.code import problems


@register("workers")
def check_schedule(**_: Any) -> list[Error]:
    """An error for each entry that could not be sent."""
    return [Error(str(problem), id=f"workers.{problem.code}") for problem in problems(app.conf.beat_schedule)]
