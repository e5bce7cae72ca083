"""Checkpoints in Django's admin: how far long tasks have come."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from workers.delivery.models.checkpoints import Checkpoint

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]  # generic for the type checker, and not when it runs
else:
    from django.contrib.admin import ModelAdmin


@admin.register(Checkpoint)
class CheckpointAdmin(ModelAdmin):
    """To be looked at. Of a task whose checkpoint is deleted the next run begins at the beginning."""

    list_display = ("task", "key", "begun_at", "saved_at", "so_far")
    list_filter = ("task",)
    search_fields = ("key",)

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Tasks alone make them."""
        return False

    def has_change_permission(self, _request: HttpRequest, _checkpoint: Checkpoint | None = None) -> bool:
        """Refuse to change; whoever may view still sees them."""
        return False

    @admin.display(description="state")
    def so_far(self, checkpoint: Checkpoint) -> str:
        """The beginning of what it saved."""
        return checkpoint.state if len(checkpoint.state) <= 60 else f"{checkpoint.state[:60]}…"  # noqa: PLR2004 - a line
