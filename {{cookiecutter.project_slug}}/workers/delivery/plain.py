"""Small values as JSON, for tables that are read often and must stay small."""

import json
from typing import Any, Final

#: Bytes: an answer or a position, not a document. What is larger belongs into a table, and its key into the value.
LARGEST: Final = 64 * 1024


class NotStorableError(TypeError):
    """A value is no JSON, or too large."""


def as_json(value: Any, what: str) -> str:
    """`value` as JSON in ASCII; raises NotStorableError, which says why `what` cannot be stored."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise NotStorableError(f"{what} cannot be kept as JSON: {error}") from error
    if len(text) > LARGEST:
        advice = "put it into a table of its own, and its key in here"
        raise NotStorableError(f"{what} has {len(text)} bytes as JSON; {LARGEST} can be kept: {advice}")
    return text
