"""What the Redis of results could not take, in Django's admin: none, unless it is away."""

import re
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from workers.delivery.models.results import KeptResult

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]  # generic for the type checker, and not when it runs
else:
    from django.contrib.admin import ModelAdmin


@admin.register(KeptResult)
class KeptResultAdmin(ModelAdmin):
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

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Workers alone make them."""
        return False

    def has_change_permission(self, _request: HttpRequest, _kept: KeptResult | None = None) -> bool:
        """Refuse to change; whoever may view still sees them."""
        return False
