"""Pages of the admin for what processes write, and people only look at."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.contrib import admin
    from django.http import HttpRequest

    ModelAdmin = admin.ModelAdmin[Any]  # generic for the type checker, and not when it runs
else:
    from django.contrib.admin import ModelAdmin


class ReadOnlyAdmin(ModelAdmin):
    """Nothing is added or changed here; it may be deleted by who may."""

    def has_add_permission(self, _request: "HttpRequest") -> bool:
        """Processes alone write them."""
        return False

    def has_change_permission(self, _request: "HttpRequest", _row: object = None) -> bool:
        """Refuse to change; whoever may view still sees them."""
        return False
