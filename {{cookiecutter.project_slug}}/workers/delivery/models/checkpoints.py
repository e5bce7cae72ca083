"""How far long tasks have come."""

from datetime import timedelta
from typing import Final

from django.db import models
from django.db.models.functions import Now

#: After which a checkpoint that nobody saved any more is removed: its task was given up, and would have been replayed
#: from the dead letters by now.
ABANDONED_AFTER: Final = timedelta(days=14)


class Checkpoint(models.Model):
    """Where the next run of a task goes on; `workers.delivery.checkpoints` says how it is written."""

    key = models.CharField(max_length=255, primary_key=True, help_text="The task's id, or what the task calls it.")
    task = models.CharField(max_length=200)
    run = models.BigIntegerField(help_text="Higher with each run; only the latest may save.")
    state = models.TextField(default="null", help_text="What the task saved, as JSON.")
    begun_at = models.DateTimeField(help_text="When the latest run began.")
    saved_at = models.DateTimeField()

    class Meta:
        ordering = ("-saved_at",)

    def __str__(self) -> str:
        return f"{self.task} {self.key}"


def remove_abandoned() -> int:
    """Remove what nobody will go on with; how many. A duty of the relay."""
    removed, _ = Checkpoint.objects.filter(saved_at__lte=Now() - ABANDONED_AFTER).delete()
    return removed
