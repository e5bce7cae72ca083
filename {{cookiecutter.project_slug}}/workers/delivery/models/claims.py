"""Who does what must be done once, and what came of it."""

from django.db import models
from django.db.models.functions import Now


class Claim(models.Model):
    """The one run at a time of a function for a key; `workers.delivery.idempotency` says how it is taken."""

    class State(models.TextChoices):
        """How far it came. A failed one is free for the next try, and so is any other from `expires_at` on."""

        RUNNING = "running", "in progress"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    key = models.CharField(max_length=200, primary_key=True, help_text="The function, and what it was called with.")
    state = models.CharField(max_length=7, choices=State)
    token = models.BigIntegerField(help_text="Higher with each holder of this key, whatever was cleaned up between.")
    tries = models.PositiveIntegerField(help_text="Holders so far.")
    holder = models.CharField(max_length=200, help_text="Worker, process, and a part by chance.")
    task_id = models.CharField(max_length=255, blank=True)
    losses = models.PositiveIntegerField(help_text="How many processes had died under the task when it was claimed.")
    claimed_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="In progress: until when others wait. Else: until when it is kept.")
    result = models.TextField(blank=True, help_text="What the function returned, as JSON.")

    class Meta:
        ordering = ("-claimed_at",)
        indexes = (models.Index(fields=("expires_at",), name="claims_by_end"),)

    def __str__(self) -> str:
        return f"{self.key}: {self.get_state_display()}"


#: Rows that are removed at a time: a second's work of the database, whose locks nobody has to wait for.
BATCH = 1000


def remove_expired() -> int:
    """Remove claims that are kept no longer; how many. A duty of the relay."""
    expired = Claim.objects.filter(expires_at__lte=Now()).order_by("expires_at").values("pk")[:BATCH]
    # Looked at again: one of them may have been taken since.
    removed, _ = Claim.objects.filter(pk__in=list(expired.values_list("pk", flat=True)), expires_at__lte=Now()).delete()
    return removed
