"""What waits in the outbox, in Django's admin."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from workers.delivery.models.outbox import OutboxMessage

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]  # generic for the type checker, and not when it runs
else:
    from django.contrib.admin import ModelAdmin


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ModelAdmin):
    """To be looked at. One that is deleted is never sent."""

    list_display = ("task", "task_id", "queue", "written_at", "due_at", "tries", "error")
    list_filter = ("queue", "task")
    search_fields = ("task_id", "error")
    # Arguments are business data, and are not shown.
    exclude = ("message",)

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Senders alone write them."""
        return False

    def has_change_permission(self, _request: HttpRequest, _message: OutboxMessage | None = None) -> bool:
        """Refuse to change; whoever may view still sees them."""
        return False
