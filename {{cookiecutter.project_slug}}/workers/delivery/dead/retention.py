"""How long letters are kept."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from workers.delivery.models.letters import DeadLetter, Replay

#: A month from when it was given up: longer than a holiday, and what a task of then asks for is rarely still
#: wanted. In whatever state, because it holds somebody's data. `workers dead purge` does not wait.
KEPT: Final = timedelta(days=30)
#: Letters that are deleted at a time.
STEP: Final = 500

logger = structlog.get_logger(__name__)


def forget_old() -> int:
    """Delete the letters that are older; how many. Those that nobody had decided upon are named in the log."""
    old = DeadLetter.objects.filter(last_at__lt=Now() - KEPT)
    for task, task_id in old.filter(state=DeadLetter.State.DEAD).values_list("task", "task_id"):
        logger.warning("dead_letter_forgotten", task=task, task_id=task_id, after=f"{KEPT.days} days")
    return sum(forget(old))


def forget(letters: QuerySet[DeadLetter]) -> Iterator[int]:
    """Delete these, with what is noted of them; yields after each step how many it deleted."""
    while keys := list(letters.values_list("pk", flat=True)[:STEP]):
        with transaction.atomic():
            Replay.objects.filter(letter__in=keys).delete()
            deleted, _ = DeadLetter.objects.filter(pk__in=keys).only("pk").delete()  # their bodies need not be read
        yield deleted
