"""Entries and runs in Django's admin."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone

from workers.beat.models import Entry, MissedRun, Run
from workers.beat.validation import claimed_tasks

if TYPE_CHECKING:
    # Generic for the type checker, and not when it runs.
    ModelAdmin = admin.ModelAdmin[Any]
    ModelForm = forms.ModelForm[Entry]
else:
    from django.contrib.admin import ModelAdmin
    from django.forms import ModelForm

_SO_FAR = ("next_run", "last_run", "changed_at")
#: Of an entry that the code has, or had: what it says, to be read.
_TOLD = ("name", "task", "when", "told_args", "told_kwargs", "expires", "late_within", "origin")
_NOT_HERE = {
    Entry.Origin.CODE: "This entry is the code's: it is changed in its app's schedule.py. Here it can be disabled.",
    Entry.Origin.GONE: "The code no longer has this entry: it is not sent. If the code has it again, it is as it was.",
}


class EntryForm(ModelForm):
    """An entry that somebody makes here; only tasks that a worker would run are offered."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "task" in self.fields:
            names = {*claimed_tasks(), self.instance.task} - {""}
            self.fields["task"].widget = forms.Select(choices=[("", "---------"), *((n, n) for n in sorted(names))])
        for name in ("args", "kwargs"):
            if name in self.fields:
                self.fields[name].widget = forms.Textarea(attrs={"rows": 2, "cols": 60})


@admin.register(Entry)
class EntryAdmin(ModelAdmin):
    """What is scheduled. The code's own entries can only be disabled here: a release would undo anything else."""

    form = EntryForm
    list_display = ("name", "when", "next_run", "last_run", "enabled", "origin")
    list_filter = ("enabled", "origin")
    search_fields = ("name", "task", "note")
    actions = ("enable", "disable")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        """Entries with the last run of each."""
        runs = Run.objects.filter(name=OuterRef("name")).order_by("-due")
        last = {"last_due": Subquery(runs.values("due")[:1]), "last_state": Subquery(runs.values("state")[:1])}
        entries: QuerySet[Entry] = super().get_queryset(request).annotate(**last)
        return entries

    def get_fieldsets(self, _request: HttpRequest, entry: Entry | None = None) -> Any:
        """A form for the admin's own entries; what the code says, and a switch, for the others."""
        if entry and entry.origin in _NOT_HERE:
            about = {"fields": ("enabled", *_TOLD), "description": _NOT_HERE[Entry.Origin(entry.origin)]}
            return ((None, about), ("So far", {"fields": _SO_FAR}))
        when = {
            "fields": ("cron", "every", "at", "late_within"),
            "description": "Fill in one of the first three. Where the clocks change: with * for the hour, runs "
            "follow real time; otherwise each day has each run once.",
        }
        own = (
            (None, {"fields": ("name", "task", "enabled", "note")}),
            ("When", when),
            ("With", {"fields": ("args", "kwargs", "expires")}),
        )
        return (*own, ("So far", {"fields": _SO_FAR})) if entry else own

    def get_readonly_fields(self, _request: HttpRequest, entry: Entry | None = None) -> tuple[str, ...]:
        """All but the switch, for an entry of the code; the switch as well, for one that the code has dropped."""
        if entry is None or entry.origin not in _NOT_HERE:
            return _SO_FAR
        return (*_SO_FAR, *_TOLD, *(["enabled"] if entry.origin == Entry.Origin.GONE else []))

    def has_delete_permission(self, request: HttpRequest, entry: Entry | None = None) -> bool:
        """Not for the code's entries, which would come back; disable them."""
        return super().has_delete_permission(request, entry) and not (entry and entry.origin == Entry.Origin.CODE)

    @admin.display(description="when")
    def when(self, entry: Entry) -> str:
        """Its timing; a cron line as it was written."""
        return _unbroken(str(entry.timing))

    @admin.display(description="next run")
    def next_run(self, entry: Entry) -> str | None:
        """When it is due next."""
        if not entry.enabled or entry.origin == Entry.Origin.GONE:
            return None
        upcoming = entry.timing.following(timezone.now())
        return _moment(upcoming) if upcoming else None

    @admin.display(description="last run", ordering="last_due")
    def last_run(self, entry: Entry) -> str | None:
        """When it was due last, and what became of it."""
        due, state = getattr(entry, "last_due", None), getattr(entry, "last_state", "")
        return f"{_moment(due)} {_unbroken(Run.State(state).label)}" if due else None

    @admin.display(description="arguments")
    def told_args(self, entry: Entry) -> str:
        """As JSON, also where there are none."""
        return json.dumps(entry.args)

    @admin.display(description="keyword arguments")
    def told_kwargs(self, entry: Entry) -> str:
        """As JSON, also where there are none."""
        return json.dumps(entry.kwargs)

    @admin.action(description="Enable the selected entries", permissions=["change"])
    def enable(self, request: HttpRequest, entries: QuerySet[Entry]) -> None:
        """From now on; what they missed meanwhile is not made up for."""
        self._switch(request, entries, enabled=True)

    @admin.action(description="Disable the selected entries", permissions=["change"])
    def disable(self, request: HttpRequest, entries: QuerySet[Entry]) -> None:
        """No slot is claimed any more once this is done."""
        self._switch(request, entries, enabled=False)

    def _switch(self, request: HttpRequest, entries: QuerySet[Entry], *, enabled: bool) -> None:
        changed = list(entries.exclude(enabled=enabled).exclude(origin=Entry.Origin.GONE))
        for entry in changed:
            entry.enabled = enabled
            entry.save()
        self.message_user(request, f"{len(changed)} {'enabled' if enabled else 'disabled'}.")


class _Runs(ModelAdmin):
    list_filter = ("state", "name")
    search_fields = ("name", "task_id")
    date_hierarchy = "due"

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """The scheduler alone writes them."""
        return False

    def has_change_permission(self, _request: HttpRequest, _run: Run | None = None) -> bool:
        """Refuse to change; whoever may view still sees them."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _run: Run | None = None) -> bool:
        """Refuse: an entry's last run is where its next one is counted from. Old ones go by themselves."""
        return False

    @admin.display(description="due", ordering="due")
    def slots(self, run: Run) -> str:
        """The slot; the first and the last of several."""
        return (
            f"{_moment(run.first_due)} to {_moment(run.due)}" if run.first_due and run.count > 1 else _moment(run.due)
        )


@admin.register(Run)
class RunAdmin(_Runs):
    """Every run: two days of those that were sent in time."""

    list_display = ("name", "slots", "state", "delayed", "host")

    @admin.display(description="delay, s")
    def delayed(self, run: Run) -> str | None:
        """From due to sent."""
        return None if run.delay is None else f"{run.delay:.1f}"


@admin.register(MissedRun)
class MissedRunAdmin(_Runs):
    """What was not sent in time: a month of it."""

    list_display = ("name", "state", "count", "slots", "because")

    @admin.display(description="because", ordering="reason")
    def because(self, run: Run) -> str:
        """Why it was missed; how late it was."""
        return run.because


def _moment(moment: datetime) -> str:
    """To the second, which Django's own format leaves out, and in one line; the year where it is another one."""
    local = timezone.localtime(moment)
    year = "" if local.year == timezone.localdate().year else " %Y"
    return _unbroken(f"{local:%d %b{year} %H:%M:%S}")


def _unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")
