"""Delivery slips: a photographed number and what the model reads in it."""

from django.db import models

SURE = 0.75  # two of three votes are less


class DeliverySlip(models.Model):
    """A picture of a handwritten parcel number."""

    class State(models.TextChoices):
        """Where the reading stands."""

        WAITING = "waiting"
        READ = "read"
        UNREADABLE = "unreadable"

    name = models.CharField(max_length=120)
    # A few kilobytes, in the database for the same reason as the catalogue of an import.
    image = models.BinaryField()
    expected = models.CharField(max_length=12, blank=True, help_text="the number that the dispatch note says")
    digits = models.CharField(max_length=12, blank=True, help_text="the number that was read")
    confidence = models.FloatField(default=0, help_text="of its least certain digit, 0 to 1")
    message = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"slip {self.name}"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state != self.State.WAITING

    @property
    def unsure(self) -> bool:
        """Whether a person has to look: most misread slips are among these."""
        return self.finished and self.confidence < SURE

    @property
    def correct(self) -> bool | None:
        """Whether it was read right; None when nobody knows."""
        if not self.finished or not self.expected:
            return None
        return self.digits == self.expected
