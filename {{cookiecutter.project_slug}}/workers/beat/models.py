"""What is scheduled, what became of each slot, and who schedules."""

from collections.abc import Iterable
from typing import Any, ClassVar, Final
from uuid import uuid4

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from workers.beat.timing import Cron, Every, Once, Timing
from workers.beat.validation import validate_arguments, validate_cron, validate_task

#: Seconds. What was missed by less is sent at once when it is noticed, once; an hour outlasts a deployment or a restart
#: of the database, and ends before a nightly run would fall into the day.
LATE_WITHIN: Final = 3600
#: Seconds: a year. What is longer was meant otherwise.
LONGEST: Final = 366 * 24 * 3600

_SECONDS: Final = (MinValueValidator(1), MaxValueValidator(LONGEST))


class Entry(models.Model):
    """A task and when it is due.

    Slots count from the last change of the entry: one that was disabled for a week, or whose timing is new, owes
    nothing for the past.
    """

    class Origin(models.TextChoices):
        """Who decides what the entry says."""

        CODE = "code", "code"
        ADMIN = "admin", "admin"
        GONE = "gone", "no longer in the code"

    name = models.CharField(max_length=200, unique=True)
    task = models.CharField(max_length=200, validators=[validate_task])
    cron = models.CharField(
        "when (cron)",
        max_length=200,
        blank=True,
        validators=[validate_cron],
        help_text="Minute, hour, day of month, month, weekday, in the project's time zone: “15 4 * * *” is every day "
        "at 4:15. A day must match day of month, month and weekday, all three.",
    )
    every = models.PositiveIntegerField(
        "or every",
        null=True,
        blank=True,
        validators=_SECONDS,
        help_text="Seconds, counted from midnight UTC of 1 January 1970: 3600 is each full hour.",
    )
    at = models.DateTimeField("or once at", null=True, blank=True, help_text="The entry is disabled after it.")
    args = models.JSONField("arguments", default=list, blank=True, help_text="A list, as JSON.")
    kwargs = models.JSONField("keyword arguments", default=dict, blank=True, help_text="An object, as JSON.")
    expires = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=_SECONDS,
        help_text="Seconds after which a worker that has not begun the task drops it.",
    )
    late_within = models.PositiveIntegerField(
        default=LATE_WITHIN,
        validators=[MaxValueValidator(LONGEST)],
        help_text="Seconds within which a missed run is made up for: the latest one only, once. 0: never.",
    )
    enabled = models.BooleanField(default=True)
    note = models.CharField(max_length=200, blank=True)
    origin = models.CharField(max_length=5, choices=Origin, default=Origin.ADMIN, editable=False)
    changed_at = models.DateTimeField(editable=False)
    revision = models.CharField(max_length=12, editable=False, help_text="Another one after each change.")

    class Meta:
        verbose_name_plural = "entries"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Note the change, at the time of the database's clock: the web's may differ from the schedulers'."""
        moment: Any = Now()
        self.changed_at, self.revision = moment, uuid4().hex[:12]
        super().save(*args, **kwargs)
        self.refresh_from_db(fields=["changed_at"])

    @property
    def timing(self) -> Timing:
        """When it is due."""
        if self.at:
            return Once(self.at)
        return Every(self.every) if self.every else Cron(self.cron, timezone.get_default_timezone())

    def clean(self) -> None:
        """Refuse what could not be sent, or never would be. What the code says is checked before it is stored."""
        if self.origin != self.Origin.ADMIN:
            return
        self.args = [] if self.args is None else self.args
        self.kwargs = {} if self.kwargs is None else self.kwargs
        if sum(map(bool, (self.cron, self.every, self.at))) != 1:
            raise ValidationError("Fill in exactly one of: when (cron), or every, or once at.")
        if self.at and self.enabled and self.at <= timezone.now():
            raise ValidationError({"at": "This is past: the entry would be missed at once."})
        if self.task:
            validate_arguments(self.task, self.args, self.kwargs)


class Run(models.Model):
    """What became of a slot. The table's constraint is what keeps a slot from being sent twice."""

    class State(models.TextChoices):
        """How far it came."""

        CLAIMED = "claimed", "being sent"
        SENT = "sent", "sent"
        LATE = "late", "sent late"
        MISSED = "missed", "missed"
        DOUBTFUL = "doubtful", "perhaps sent"

    #: What somebody should look at.
    REMARKABLE: ClassVar = (State.LATE, State.MISSED, State.DOUBTFUL)

    name = models.CharField("entry", max_length=200)
    due = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State)
    count = models.PositiveIntegerField(
        "runs", default=1, help_text="Slots in a row that were missed; of a cron line, 200 or more."
    )
    first_due = models.DateTimeField(null=True, help_text="Of several in a row the first; `due` is the last.")
    reason = models.CharField(max_length=300, blank=True)
    task_id = models.CharField(max_length=36, blank=True)
    token = models.BigIntegerField(help_text="Of the lease under which it was noted.")
    host = models.CharField(max_length=200)
    noted_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-due",)
        constraints = (models.UniqueConstraint(fields=("name", "due"), name="one_run_a_slot"),)
        indexes = (
            models.Index(fields=("due",), name="runs_by_due"),
            # Few rows of many: what is looked for each second must not read a million that were sent.
            models.Index(fields=("state",), name="runs_not_sent", condition=~Q(state="sent")),
        )

    def __str__(self) -> str:
        return f"{self.name} due {self.due:%Y-%m-%d %H:%M:%S %Z}"

    @property
    def delay(self) -> float | None:
        """Seconds from due to sent."""
        return (self.sent_at - self.due).total_seconds() if self.sent_at else None

    @property
    def because(self) -> str:
        """Why it was missed, or how late it was sent; the id by which a doubtful one is found in the logs."""
        if self.state == self.State.DOUBTFUL:
            return f"{self.reason}; task id {self.task_id}"
        return self.reason or ("" if self.delay is None else f"sent {self.delay:.0f} s late")


class Remarkable(models.Manager["MissedRun"]):
    """The runs that somebody should look at."""

    def get_queryset(self) -> models.QuerySet["MissedRun"]:
        """Missed, late and doubtful ones."""
        return super().get_queryset().filter(state__in=Run.REMARKABLE)


class MissedRun(Run):
    """A run that did not happen when it should have; a page of its own in the admin."""

    objects: ClassVar = Remarkable()

    class Meta:
        proxy = True


class Lease(models.Model):
    """Who schedules: one row. `lease.py` says how it is taken."""

    ROW: ClassVar = 1

    token = models.BigIntegerField(default=0, help_text="One more for each scheduler that takes the lease.")
    holder = models.CharField(max_length=200)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.holder or 'nobody'} until {self.expires_at:%H:%M:%S %Z}"


class Scheduler(models.Model):
    """A scheduler that runs, active or waiting."""

    name = models.CharField(max_length=200, primary_key=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


def finish(entry: Entry) -> None:
    """Disable an entry whose one slot is dealt with; any other stays as it is."""
    if entry.at:
        Entry.objects.filter(pk=entry.pk, revision=entry.revision).update(enabled=False, changed_at=Now())


def tables_missing(present: Iterable[str]) -> bool:
    """Whether the migrations of this app have yet to be run."""
    return not {model._meta.db_table for model in (Entry, Run, Lease, Scheduler)} <= set(present)
