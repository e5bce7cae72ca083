"""How arguments are shown: by their types, because values are somebody's data."""

from collections.abc import Mapping, Sequence
from typing import Any


def shown_positional(args: Sequence[Any] | None) -> str:
    """Positional arguments for logs, events and listings."""
    return f"({', '.join(_kind(value) for value in args or ())})"


def shown_keywords(kwargs: Mapping[str, Any] | None, public: Sequence[str]) -> str:
    """Keyword arguments; those named in `public` with their values."""
    shown = (
        f"{name}={value!r}" if name in public else f"{name}={_kind(value)}" for name, value in (kwargs or {}).items()
    )
    return f"{{{', '.join(shown)}}}"


def _kind(value: Any) -> str:
    return f"<{type(value).__name__}>"
