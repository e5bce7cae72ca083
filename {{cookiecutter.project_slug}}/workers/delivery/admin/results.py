"""What the Redis of results could not take, in Django's admin: none, unless it is away."""

import re

from django.contrib import admin

from workers.delivery.admin.readonly import ReadOnlyAdmin
from workers.delivery.models.results import KeptResult


@admin.register(KeptResult)
class KeptResultAdmin(ReadOnlyAdmin):
    """To be looked at; the relay brings them back. One that is deleted is lost."""

    list_display = ("task", "kind", "state", "kept_at", "expires_at")
    list_filter = ("kind", "state")
    search_fields = ("key",)
    # Business data, and not shown.
    exclude = ("value",)

    @admin.display(ordering="key")
    def task(self, kept: KeptResult) -> str:
        """The id of the task, or of the group, without the prefix of its key in Redis."""
        return re.sub("^celery-[a-z]+-meta-", "", kept.key)
