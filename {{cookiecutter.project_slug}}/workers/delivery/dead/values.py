"""What a message claims, made fit to keep, and ages as people write them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

#: Characters that are no text; the ends of lines and tabulators are.
CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
#: What follows the number of an age, and what it stands for.
UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class NoAgeError(ValueError):
    """Something is no age; the message says what one looks like."""


def plain(text: object, limit: int) -> str:
    """Text of at most `limit` characters that every broker, database and terminal takes.

    Without half characters, and without those that PostgreSQL refuses or that a terminal would obey.
    """
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(text)[:limit].encode("utf-8", "replace").decode())


def moment(value: object) -> datetime | None:
    """A moment, in UTC, which one without a zone is in, too; None where it is missing or none."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(found, datetime):
            return None
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def age(text: str) -> timedelta:
    """What `90s`, `30m`, `2h`, `3d` or `1w` means; raises NoAgeError."""
    found = re.fullmatch(rf"(\d{{1,6}})([{''.join(UNITS)}])", text.strip())
    if not found:
        raise NoAgeError(f"{text!r} is no age; expected a number and a unit, such as 90s, 30m, 2h, 3d or 1w")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def ago(passed: timedelta) -> str:
    """An age as one number of its largest unit."""
    seconds = max(int(passed.total_seconds()), 0)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
