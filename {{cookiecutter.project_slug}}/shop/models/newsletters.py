"""Newsletters and the people who asked for them."""

from django.db import models


class Subscriber(models.Model):
    """Somebody who wants the newsletter."""

    email = models.EmailField(unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("email",)

    def __str__(self) -> str:
        return self.email


class Newsletter(models.Model):
    """One letter to every subscriber."""

    subject = models.CharField(max_length=120)
    body = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    # Empty until it is known whom it goes to.
    recipients = models.PositiveIntegerField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.subject


class NewsletterPart(models.Model):
    """The subscribers that one task writes to."""

    newsletter = models.ForeignKey(Newsletter, on_delete=models.CASCADE, related_name="parts")
    # Ids, not addresses: who leaves before it is sent gets nothing.
    subscriber_ids = models.JSONField(default=list)
    sent_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"part {self.pk} of {self.newsletter_id}"
