"""A dead task's arguments, as far as somebody may see them."""

import json
from dataclasses import dataclass

from config.celery import app
from workers.delivery.dead.values import plain
from workers.delivery.models.letters import DeadLetter
from workers.delivery.redaction import shown_keywords, shown_positional

#: Characters of a body that is no task's.
BODY_LIMIT = 2000


@dataclass(frozen=True)
class Arguments:
    """Positional and keyword arguments as text."""

    positional: str
    keywords: str


def shown(letter: DeadLetter, *, reveal: bool = False) -> Arguments:
    """The arguments by their types; with values where the task has said they are public, or all with `reveal`.

    Not the message's own `argsrepr`: whoever sent it may have shown more than this project does.
    """
    try:
        positional, keywords = _decoded(letter)
    except (ValueError, TypeError, KeyError, RecursionError):
        return Arguments(_body(letter, reveal=reveal), "")
    if reveal:
        return Arguments(repr(tuple(positional)), repr(keywords))
    task = app.tasks.get(letter.task)
    public = getattr(task, "public_arguments", ())
    return Arguments(shown_positional(positional), shown_keywords(keywords, public))


def _decoded(letter: DeadLetter) -> tuple[list[object], dict[str, object]]:
    """Of Celery's second protocol a list, of its first an object."""
    told = json.loads(bytes(letter.body))
    positional, keywords = (told["args"], told["kwargs"]) if isinstance(told, dict) else told[:2]
    return list(positional), dict(keywords)


def _body(letter: DeadLetter, *, reveal: bool) -> str:
    body = bytes(letter.body)
    if not reveal:
        return f"<{len(body)} bytes>"
    beginning = plain(body[:BODY_LIMIT].decode(errors="backslashreplace"), BODY_LIMIT)
    return f"{beginning} ..." if len(body) > BODY_LIMIT else beginning
