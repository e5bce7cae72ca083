"""Stored reports."""

from django.db import models


class Report(models.Model):
    """The sales of one day as CSV."""

    class State(models.TextChoices):
        """Where the report stands."""

        BUILDING = "building"
        DONE = "done"
        FAILED = "failed"

    day = models.DateField(unique=True)
    state = models.CharField(max_length=10, choices=State, default=State.BUILDING)
    content = models.TextField(blank=True)
    orders = models.PositiveIntegerField(default=0)
    revenue_cents = models.PositiveBigIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-day",)

    def __str__(self) -> str:
        return f"report of {self.day}"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it, unless it is asked for again."""
        return self.state != self.State.BUILDING
