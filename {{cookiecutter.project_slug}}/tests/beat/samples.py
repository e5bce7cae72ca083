"""Entries and slots to try."""

from datetime import datetime
from typing import Any

from tests.beat.processes import TASK
from workers.beat.models import Entry
from workers.beat.runs import Slot

__all__ = ["TASK", "entry", "slot"]


def entry(name: str = "tick", **fields: Any) -> Entry:
    """A stored entry; due every minute, unless told."""
    if not fields.keys() & {"cron", "every", "at"}:
        fields["every"] = 60
    made = Entry(name=name, **{"task": TASK, **fields})
    made.save()
    return made


def slot(entry: Entry, due: datetime) -> Slot:
    """A slot of the entry."""
    return Slot(entry, due, f"{entry.name} {due:%H:%M:%S}")
