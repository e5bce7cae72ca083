"""Dead letters in Django's admin: to be looked at, sent again, or thrown away."""

from collections import Counter
from typing import Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from workers.delivery.admin.readonly import ReadOnlyAdmin
from workers.delivery.dead.arguments import shown
from workers.delivery.dead.listing import at, history
from workers.delivery.dead.replay import replay
from workers.delivery.models import DeadLetter

#: Letters that are sent again by one request, and how many of them a second: it ends within about two.
AT_ONCE, RATE = 100, 50.0
#: Why letters are not sent that were not even looked at.
TOO_MANY: Final = f"more than {AT_ONCE} at once: `python -m workers dead replay` sends them all"


@admin.register(DeadLetter)
class LetterAdmin(ReadOnlyAdmin):
    """Arguments show their types only, as everywhere; `python -m workers dead show ID --reveal` shows their values."""

    list_display = ("number", "state", "since", "task", "reason", "kind")
    list_filter = ("state", "group", "reason", "task", "last_at")
    search_fields = ("task", "task_id", "exception", "message")
    actions = ("replay",)
    list_per_page = 50
    show_full_result_count = False
    _ABOUT = ("task", "task_id", "arguments", "state")
    _WHY = ("reason", "error", "attempts", "replays", "began", "given_up", "worker", "group")
    fieldsets = (
        (None, {"fields": _ABOUT}),
        ("Why", {"fields": _WHY}),
        ("What happened to the task", {"fields": ("events",)}),
        ("Traceback", {"fields": ("trace",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        """Without what a list does not show: bodies may be large."""
        letters: QuerySet[DeadLetter] = super().get_queryset(request)
        return letters.defer("body", "headers", "properties", "traceback")

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may send letters again: a permission of its own."""
        return bool(request.user.has_perm("delivery.replay_deadletter"))

    @admin.action(description="Send the selected letters again", permissions=["replay"])
    def replay(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        """The oldest first; says of what was not sent why."""
        chosen = list(letters.reverse()[:AT_ONCE])
        by = request.user.get_username()
        outcomes = list(replay(chosen, by, rate=RATE))
        sent = sum(not outcome.refusal for outcome in outcomes)
        self.message_user(request, f"{sent} sent again.", messages.SUCCESS if sent else messages.INFO)
        refusals = Counter(outcome.refusal for outcome in outcomes if outcome.refusal)
        if (left := letters.count() - len(chosen)) > 0:
            refusals[TOO_MANY] = left
        for refusal, count in refusals.items():
            self.message_user(request, f"{count} not sent: {refusal}.", messages.WARNING)

    @admin.display(description="letter", ordering="pk")
    def number(self, letter: DeadLetter) -> int:
        """By which `python -m workers dead` knows it."""
        return letter.pk

    @admin.display(description="exception", ordering="exception")
    def kind(self, letter: DeadLetter) -> str:
        """Its class; what it says has no room in a list."""
        return letter.exception.rpartition(".")[2]

    @admin.display(description="exception")
    def error(self, letter: DeadLetter) -> str:
        """Its class, and what it says."""
        return ": ".join(filter(None, (letter.exception, letter.message)))

    @admin.display(description="given up", ordering="last_at")
    def since(self, letter: DeadLetter) -> str:
        """In one line."""
        return f"{timezone.localtime(letter.last_at):%d %b %H:%M}".replace(" ", "\N{NO-BREAK SPACE}")

    @admin.display(description="given up")
    def given_up(self, letter: DeadLetter) -> str:
        """To the second."""
        return at(letter.last_at)

    @admin.display(description="first sent", empty_value="the message does not say")
    def began(self, letter: DeadLetter) -> str | None:
        """When its task was first sent."""
        return at(letter.first_at) if letter.first_at else None

    @admin.display(description="arguments")
    def arguments(self, letter: DeadLetter) -> str:
        """By their types."""
        told = shown(letter)
        return f"{told.positional} {told.keywords}".strip()

    @admin.display(description="events")
    def events(self, letter: DeadLetter) -> SafeString:
        """All letters and replays of the task, a line each."""
        return format_html_join(SafeString("<br>"), "{} &ensp; {}", history(letter))

    @admin.display(description="traceback", empty_value="none")
    def trace(self, letter: DeadLetter) -> SafeString | None:
        """As it was printed."""
        return format_html("<pre>{}</pre>", letter.traceback) if letter.traceback else None
