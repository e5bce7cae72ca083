"""Filters of the shop's templates."""

from collections.abc import Mapping

from django import template

from shop.money import decimal

register = template.Library()


@register.filter
def money(cents: int) -> str:
    """Write cents as a price: 1250 is €12.50."""
    return f"€{decimal(cents)}"


@register.filter
def percent(share: float) -> str:
    """Write a share as whole percent, rounded down: 0.999 is not 100 %."""
    return f"{int(share * 100)} %"


@register.filter
def of(values: Mapping[str, object], key: str) -> object:
    """Look up what the template knows the key of only by another name."""
    return values.get(key, "") if values else ""
