"""Results, and parts of chords, that their Redis could not take; `workers/delivery/results/` brings them back to it."""

from django.db import models
from django.db.models.functions import Now


class KeptResult(models.Model):
    """An entry of the journal. Rows are added and removed, never changed."""

    class Kind(models.TextChoices):
        """What it is."""

        RESULT = "result", "result"
        PART = "part", "part of a chord"
        SENT = "sent", "body of a chord that was sent"

    kind = models.CharField(max_length=6, choices=Kind)
    key = models.CharField(max_length=300)
    state = models.CharField(max_length=50)
    value = models.BinaryField()
    kept_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ("-kept_at",)
        indexes = (
            models.Index(fields=("key",), name="kept_results_by_key"),
            models.Index(fields=("expires_at",), name="kept_results_by_end"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.key} ({self.state})"
