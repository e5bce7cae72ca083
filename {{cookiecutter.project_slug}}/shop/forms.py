"""The order form of the shop front."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from django import forms

from shop.catalogue import SKU
from shop.orders import CARD, MOST_LINES, MOST_OF_ONE, Wanted

QUANTITY = "quantity-"


class OrderForm(forms.Form):
    """Who orders and how they pay; how many of what are the page's fields `quantity-<sku>`."""

    email = forms.EmailField(label="E-mail")
    card_token = forms.RegexField(
        f"^{CARD}$",
        label="Card",
        initial="tok_4242",
        error_messages={"invalid": "A card is tok_ and 4 to 16 digits."},
        help_text="The sandbox accepts every card but those that end in 0.",
    )
    newsletter = forms.BooleanField(label="Send me the newsletter", required=False)
    # Made with the page: a form that is sent twice is one order.
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)

    # Until clean() has run, a form has none.
    quantities: Mapping[str, int] = {}

    def clean(self) -> dict[str, Any]:
        """Collect the quantities."""
        quantities = {
            name.removeprefix(QUANTITY): _quantity(str(value))
            for name, value in self.data.items()
            if name.startswith(QUANTITY) and value and SKU.fullmatch(name.removeprefix(QUANTITY))
        }
        self.quantities = {sku: count for sku, count in quantities.items() if count}
        if not 0 < len(self.quantities) <= MOST_LINES:
            raise forms.ValidationError(f"Choose 1 to {MOST_LINES} products.")
        return self.cleaned_data

    def wanted(self) -> Wanted:
        """The order that is meant; of a form that is valid."""
        given = self.cleaned_data
        return Wanted(given["email"], self.quantities, given["card_token"], given["newsletter"])


def _quantity(text: str) -> int:
    # Up to two digits: int() takes any script's digits, and megabytes of them.
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST_OF_ONE))):
        raise forms.ValidationError(f"A quantity is 0 to {MOST_OF_ONE}.")
    return int(text)
