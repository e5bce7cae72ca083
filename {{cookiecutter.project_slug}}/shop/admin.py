"""The shop in Django's admin. What tasks decide is shown there and not edited."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from shop.models import (
    DeliverySlip,
    ImportJob,
    ImportProblem,
    Newsletter,
    Order,
    OrderLine,
    Payment,
    Product,
    Report,
    Subscriber,
)
from shop.tasks.batch import import_catalogue
from shop.templatetags.shop import money

if TYPE_CHECKING:
    # Generic for the type checker, and not when it runs.
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    from django.contrib.admin import ModelAdmin, TabularInline


class Unchanging:
    """Rows that only the shop itself makes and changes."""

    def has_add_permission(self, *_args: Any, **_kwargs: Any) -> bool:
        """Refuse to add."""
        return False

    def has_change_permission(self, *_args: Any, **_kwargs: Any) -> bool:
        """Refuse to change; whoever may view still sees them."""
        return False


class Lines(Unchanging, TabularInline):
    """The lines of an order."""

    model = OrderLine
    fields = ("product", "quantity", "price_cents")


class PaymentOfOrder(Unchanging, TabularInline):
    """The payment of an order."""

    model = Payment
    fields = readonly_fields = ("id", "state", "amount_cents", "reference", "settled_at")


class Problems(Unchanging, TabularInline):
    """The rows that an import left out."""

    model = ImportProblem
    fields = ("line", "message")


@admin.register(Product)
class ProductAdmin(ModelAdmin):
    """Products: sold by these prices."""

    list_display = ("sku", "name", "category", "price_cents")
    list_filter = ("category",)
    search_fields = ("sku", "name")


@admin.register(Order)
class OrderAdmin(Unchanging, ModelAdmin):
    """Orders with their lines and payment."""

    list_display = ("short_id", "email", "state", "total", "created_at")
    list_filter = ("state",)
    search_fields = ("id", "email")
    inlines = (Lines, PaymentOfOrder)

    @admin.display(ordering="total_cents")
    def total(self, order: Order) -> str:
        """The total as a price."""
        return money(order.total_cents)


@admin.register(Payment)
class PaymentAdmin(Unchanging, ModelAdmin):
    """Payments: those that stay pending are what to look for."""

    list_display = ("id", "order", "state", "amount_cents", "created_at", "settled_at")
    list_filter = ("state",)
    list_select_related = ("order",)
    search_fields = ("id", "reference")


@admin.register(ImportJob)
class ImportJobAdmin(Unchanging, ModelAdmin):
    """Imports, with a way to send one again."""

    list_display = ("id", "name", "state", "rows_done", "rows_total", "rows_bad", "created_at")
    list_filter = ("state",)
    exclude = ("content",)
    inlines = (Problems,)
    actions = ("send_again",)

    @admin.action(description="Send the selected imports again", permissions=["view"])
    def send_again(self, _request: HttpRequest, jobs: QuerySet[ImportJob]) -> None:
        """For an import whose task was lost: it goes on where it stopped, and a finished one does nothing."""
        for job in jobs.defer("content"):
            import_catalogue.delay(job_id=job.pk)


@admin.register(DeliverySlip)
class DeliverySlipAdmin(Unchanging, ModelAdmin):
    """Slips and what was read."""

    list_display = ("id", "name", "state", "digits", "expected", "confidence", "read_at")
    list_filter = ("state",)
    exclude = ("image",)


@admin.register(Newsletter)
class NewsletterAdmin(Unchanging, ModelAdmin):
    """Newsletters that were sent."""

    list_display = ("subject", "recipients", "created_at")


@admin.register(Report)
class ReportAdmin(Unchanging, ModelAdmin):
    """Stored reports."""

    list_display = ("day", "state", "orders", "revenue_cents", "finished_at")
    list_filter = ("state",)


@admin.register(Subscriber)
class SubscriberAdmin(ModelAdmin):
    """Who gets the newsletter."""

    list_display = ("email", "created_at")
    search_fields = ("email",)
