"""Cents and the way people write them."""

from decimal import Decimal, InvalidOperation

# In cents. A price above is more likely a missing comma than a very good cheese.
HIGHEST_PRICE = 1_000_000
CENTS = 100


def decimal(cents: int) -> str:
    """Write cents as a decimal number: 1250 is 12.50."""
    return f"{cents / Decimal(CENTS):.2f}"


def cents(text: str) -> int:
    """Read a price; a ValueError says what is wrong with it."""
    try:
        price = Decimal(text) * CENTS
        whole = int(price)
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError(f"price is no number: {text!r}") from None
    if whole != price:
        raise ValueError(f"price has parts of a cent: {text!r}")
    if not 0 < whole <= HIGHEST_PRICE:
        raise ValueError(f"price is not between 0.01 and {decimal(HIGHEST_PRICE)}: {text!r}")
    return whole
