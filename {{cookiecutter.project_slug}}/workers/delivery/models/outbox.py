"""Tasks that were accepted and are not yet with the broker."""

from django.db import models


class OutboxMessage(models.Model):
    """A message of a durable task: written with what it belongs to, deleted when the broker has it."""

    task = models.CharField(max_length=255)
    task_id = models.CharField(max_length=255)
    queue = models.CharField(max_length=255)
    message = models.TextField(help_text="What is sent, as JSON: body, headers, properties.")
    written_at = models.DateTimeField()
    due_at = models.DateTimeField(help_text="Until then somebody is about to send it; from then on any relay may.")
    claim = models.CharField(max_length=36, blank=True, help_text="Of the relay that took it last.")
    tries = models.PositiveSmallIntegerField(default=0, help_text="That failed for a reason of its own.")
    error = models.CharField(max_length=500, blank=True, help_text="Why it was not sent, the last time.")

    class Meta:
        ordering = ("pk",)
        verbose_name = "task that waits for the broker"
        verbose_name_plural = "tasks that wait for the broker"
        indexes = (models.Index(fields=("due_at",), name="outbox_by_due"),)

    def __str__(self) -> str:
        return f"{self.task} {self.task_id}"
