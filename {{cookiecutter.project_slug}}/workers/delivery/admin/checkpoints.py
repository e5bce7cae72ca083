"""Checkpoints in Django's admin: how far long tasks have come."""

from django.contrib import admin

from workers.delivery.admin.readonly import ReadOnlyAdmin
from workers.delivery.models.checkpoints import Checkpoint


@admin.register(Checkpoint)
class CheckpointAdmin(ReadOnlyAdmin):
    """To be looked at. Of a task whose checkpoint is deleted the next run begins at the beginning."""

    list_display = ("task", "key", "begun_at", "saved_at", "so_far")
    list_filter = ("task",)
    search_fields = ("key",)

    @admin.display(description="state")
    def so_far(self, checkpoint: Checkpoint) -> str:
        """The beginning of what it saved."""
        return checkpoint.state if len(checkpoint.state) <= 60 else f"{checkpoint.state[:60]}…"  # noqa: PLR2004 - a line
