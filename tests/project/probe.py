"""An app to put into a generated project in place of the shop: the same few tasks in every group."""

import re
import shutil
from pathlib import Path

TASKS = '''\
"""Tasks that say where and how they run."""

import os
import time

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection


@shared_task(ignore_result=False)
def where() -> int:
    """The process that runs this."""
    return os.getpid()


@shared_task(ignore_result=False)
def sleep(seconds: float) -> str:
    """Take time; says so if asked to end early."""
    try:
        time.sleep(seconds)
    except SoftTimeLimitExceeded:
        return "asked to end"
    return "slept"


@shared_task(ignore_result=False)
def pause(sent: float, seconds: float) -> float:
    """Take time; returns the seconds from `sent` to the start."""
    waited = time.time() - sent
    time.sleep(seconds)
    return waited


@shared_task(ignore_result=False)
def refuse_to_end(seconds: float) -> None:
    """Take time and go on when asked to end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            time.sleep(0.1)
        except SoftTimeLimitExceeded:
            continue


@shared_task(ignore_result=False)
def leave(path: str, seconds: float) -> None:
    """Take time, then leave a trace."""
    time.sleep(seconds)
    with open(path, "a") as trace:
        trace.write("done")


@shared_task(ignore_result=False)
def add(numbers: list[int]) -> int:
    """The sum; the end of a chord."""
    return sum(numbers)


@shared_task(ignore_result=False)
def database_connection() -> int:
    """The number of the database's own process for this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid(), pg_sleep(0.2)")
        return int(cursor.fetchone()[0])
'''

#: Two groups more than the project has by default: the two pools that hold many waiting tasks.
MORE_GROUPS = """
  io:
    about: waiting on threads
    tasks: ["probe.tasks.io.*"]
    pool: threads
    concurrency: 20
    longest_run: 40
    objective: {wait: 10, run: 15}

  green:
    about: waiting on greenlets
    tasks: ["probe.tasks.green.*"]
    pool: gevent
    concurrency: 20
    time_limit: 40
    objective: {wait: 10, run: 15}
"""

GROUPS = ("default", "priority", "batch", "ml", "io", "green")


def remove_shop(root: Path) -> None:
    """The steps of the project's README, "Without the shop"."""
    shutil.rmtree(root / "shop")
    shutil.rmtree(root / "tests/shop")
    _edit(root / "config/settings/base.py", r'PROJECT_APPS = \["shop"\]', "PROJECT_APPS: list[str] = []")
    _edit(root / "workers.yml", r'"shop\.tasks\.[a-z]+\.\*"(, )?', "")
    _edit(root / "workers.yml", r"prepare: \[.*\]", "prepare: [migrate]")
    _edit(root / ".env.example", r"(?m)^(SHOP_.*|ADMIN_PASSWORD.*)\n", "")
    _edit(root / ".env", r"(?m)^(SHOP_.*|ADMIN_PASSWORD.*)\n", "")


def add_probe(root: Path) -> None:
    """Put the probe where the shop was, and the two groups behind the others."""
    tasks = root / "probe/tasks"
    tasks.mkdir(parents=True)
    (root / "probe/__init__.py").touch()
    for group in GROUPS:
        (tasks / f"{group}.py").write_text(TASKS, encoding="utf-8")
    (tasks / "__init__.py").write_text(f"from probe.tasks import {', '.join(GROUPS)}\n", encoding="utf-8")
    _edit(root / "config/settings/base.py", r"PROJECT_APPS: list\[str\] = \[\]", 'PROJECT_APPS = ["probe"]')
    topology = root / "workers.yml"
    text = topology.read_text(encoding="utf-8")
    for group in GROUPS[:4]:
        text = re.sub(rf"(\n  {group}:\n.*?tasks: \[)", rf'\1"probe.tasks.{group}.*", ', text, count=1, flags=re.DOTALL)
    topology.write_text(text.replace(", ]", "]") + MORE_GROUPS, encoding="utf-8")


def _edit(file: Path, pattern: str, replacement: str) -> None:
    text, edits = re.subn(pattern, replacement, file.read_text(encoding="utf-8"))
    assert edits, f"{file}: nothing matches {pattern}"
    file.write_text(text, encoding="utf-8")
