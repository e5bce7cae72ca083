"""Claims in Django's admin: who does what, and what is done."""

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from workers.delivery.admin.readonly import ReadOnlyAdmin
from workers.delivery.models.claims import Claim


@admin.register(Claim)
class ClaimAdmin(ReadOnlyAdmin):
    """To be looked at. One that is deleted is free: what it stands for is done again when it is asked for again."""

    list_display = ("key", "how_far", "tries", "claimed_at", "expires_at", "holder")
    list_filter = ("state",)
    search_fields = ("key", "task_id")
    # The result is business data, and is not shown.
    exclude = ("result",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Claim]:
        """Claims, with the time by the clock that they are reckoned by."""
        claims: QuerySet[Claim] = super().get_queryset(request).annotate(now=Now())
        return claims

    @admin.display(description="state", ordering="state")
    def how_far(self, claim: Claim) -> str:
        """Its state; of one in progress for too long, that its holder is presumed dead."""
        late = claim.state == Claim.State.RUNNING and claim.expires_at <= claim.now  # type: ignore[attr-defined]
        return "given up" if late else str(claim.get_state_display())
