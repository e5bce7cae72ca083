"""Which letters: the filters of the operator's commands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.models import Q, QuerySet
from django.utils import timezone

from workers.delivery.models.letters import DeadLetter

#: Of a table's own numbers.
LARGEST_KEY: Final = 2**63 - 1


@dataclass(frozen=True)
class Selection:
    """Filters, all of which a letter must pass; one that is None lets everything pass."""

    task: str | None = None
    """A name, or a pattern with `*`."""
    group: str | None = None
    reason: str | None = None
    exception: str | None = None
    """A part of its class, upper or lower case."""
    older_than: timedelta | None = None
    newer_than: timedelta | None = None
    ids: Sequence[str] = ()
    """Letters by their numbers, or by the ids of their tasks; where there are any, only these."""

    def letters(self, state: str | None = DeadLetter.State.DEAD) -> QuerySet[DeadLetter]:
        """The letters in one state, or in any; the newest first. Their bodies are read when asked for."""
        found = DeadLetter.objects.defer("body", "headers", "properties", "traceback")
        return found.filter(self._condition(), **({"state": state} if state else {}))

    def _condition(self) -> Q:
        now, parts = timezone.now(), Q()
        if self.task is not None:
            parts &= Q(task__regex=_pattern(self.task)) if "*" in self.task else Q(task=self.task)
        if self.group is not None:
            parts &= Q(group=self.group)
        if self.reason is not None:
            parts &= Q(reason=self.reason)
        if self.exception is not None:
            parts &= Q(exception__icontains=self.exception)
        if self.older_than is not None:
            parts &= Q(last_at__lt=now - self.older_than)
        if self.newer_than is not None:
            parts &= Q(last_at__gte=now - self.newer_than)
        if self.ids:
            numbers = [int(each) for each in self.ids if each.isdecimal() and int(each) <= LARGEST_KEY]
            parts &= Q(pk__in=numbers) | Q(task_id__in=[each for each in self.ids if not each.isdecimal()])
        return parts


def _pattern(text: str) -> str:
    return "^" + ".*".join(map(re.escape, text.split("*"))) + "$"
