"""What waits in the outbox, in Django's admin."""

from django.contrib import admin

from workers.delivery.admin.readonly import ReadOnlyAdmin
from workers.delivery.models.outbox import OutboxMessage


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadOnlyAdmin):
    """To be looked at. One that is deleted is never sent."""

    list_display = ("task", "task_id", "queue", "written_at", "due_at", "tries", "error")
    list_filter = ("queue", "task")
    search_fields = ("task_id", "error")
    # Arguments are business data, and are not shown.
    exclude = ("message",)
