"""Dead letters that were collected from the broker, and what was sent again."""

import json
from typing import Any, ClassVar

from django.db import models
from kombu.utils.json import dumps, loads

from workers.delivery.dead.letter import MESSAGE_LIMIT, NAME_LIMIT, Letter
from workers.delivery.dead.original import Original
from workers.delivery.dead.values import plain


class DeadLetter(models.Model):
    """A message that was given up, with all that is needed to understand it and to send it again."""

    class State(models.TextChoices):
        """Whose turn it is."""

        DEAD = "dead", "dead"
        """Somebody's, to send it again or to purge it."""
        REPLAYED = "replayed", "sent again"
        """A worker's, or it is done. Should it die again, there is another letter."""
        AGAIN = "again", "died again"
        """Nobody's: a newer letter of the same task says how it goes on."""

    key = models.CharField(max_length=64, unique=True, help_text="The same, however often the letter is collected.")
    state = models.CharField(max_length=8, choices=State, default=State.DEAD)
    task = models.CharField(max_length=NAME_LIMIT, blank=True)
    task_id = models.CharField(max_length=NAME_LIMIT, blank=True)
    group = models.CharField(max_length=NAME_LIMIT)
    reason = models.CharField(max_length=40)
    exception = models.CharField(max_length=NAME_LIMIT, blank=True)
    message = models.CharField(max_length=MESSAGE_LIMIT, blank=True)
    traceback = models.TextField(blank=True)
    attempts = models.PositiveIntegerField("runs", help_text="Runs that were begun since it was last sent by hand.")
    replays = models.PositiveIntegerField(default=0, help_text="How often it had been sent again before.")
    first_at = models.DateTimeField("first sent", null=True, blank=True)
    last_at = models.DateTimeField("given up")
    worker = models.CharField(max_length=NAME_LIMIT, blank=True)
    collected_at = models.DateTimeField(auto_now_add=True)
    # As text: PostgreSQL's own JSON takes no NUL, which a hostile header may hold.
    headers = models.TextField()
    properties = models.TextField()
    body = models.BinaryField()

    class Meta:
        ordering = ("-last_at", "-pk")
        permissions = (("replay_deadletter", "Can send dead letters again"),)
        indexes: ClassVar = [
            models.Index(fields=("state", "-last_at"), name="letters_by_state"),
            models.Index(fields=("task_id", "-last_at"), name="letters_of_a_task"),
            models.Index(fields=("last_at",), name="letters_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.task or 'no task'} {self.reason}"

    @classmethod
    def of(cls, letter: Letter, **fields: Any) -> "DeadLetter":
        """A row, not yet stored, of a letter as it came from the broker; `fields`: what the letter does not say."""
        original = letter.original
        told = {name: getattr(letter, name) for name in _TOLD}
        return cls(
            task=plain(original.task, NAME_LIMIT),
            task_id=plain(original.task_id, NAME_LIMIT),
            headers=dumps(original.headers),
            properties=dumps(original.properties),
            body=original.body,
            **told,
            **fields,
        )

    @property
    def original(self) -> Original:
        """The message as it was."""
        return Original(bytes(self.body), _loaded(self.headers), _loaded(self.properties))


def _loaded(text: str) -> Any:
    try:
        return loads(text)
    except ValueError:  # kombu's mark of a type, in a header that somebody made up
        return json.loads(text)


_TOLD = ("group", "reason", "exception", "message", "traceback", "attempts", "first_at", "worker")


class Replay(models.Model):
    """That a letter was sent again: noted before it is, so that nobody else does, and confirmed afterwards."""

    letter = models.ForeignKey(DeadLetter, models.CASCADE, related_name="replay_set")
    number = models.PositiveIntegerField(help_text="Which replay of the task it is.")
    by = models.CharField(max_length=NAME_LIMIT)
    at = models.DateTimeField(auto_now_add=True)
    queue = models.CharField(max_length=NAME_LIMIT)
    sent_at = models.DateTimeField("confirmed", null=True, blank=True)
    error = models.CharField("not sent because", max_length=MESSAGE_LIMIT, blank=True)

    class Meta:
        ordering = ("at",)

    def __str__(self) -> str:
        return f"replay {self.number} by {self.by}"

    @property
    def outcome(self) -> str:
        """What became of it."""
        if self.error:
            return f"not sent: {self.error}"
        return "sent" if self.sent_at else "perhaps sent: whoever did it ended before the broker's confirm"
