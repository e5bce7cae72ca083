"""The admin's pages: only what can be sent is taken, the code's entries can be disabled and nothing else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.beat.samples import TASK, entry
from workers.beat.models import Entry, Run

pytestmark = pytest.mark.django_db
ENTRIES = "/admin/beat/entry/"
FORM: dict[str, Any] = {
    "name": "by hand",
    "task": TASK,
    "cron": "15 4 * * *",
    "args": "[]",
    "kwargs": "{}",
    "late_within": "3600",
    "enabled": "on",
}


@pytest.fixture
def admin(client: Client) -> Client:
    """Somebody who may do everything."""
    client.force_login(User.objects.create_superuser("root"))
    return client


def _refusals(admin: Client, **change: str) -> dict[str, list[str]]:
    page = admin.post(ENTRIES + "add/", {**FORM, **change})
    assert page.status_code == 200, "it was taken"
    errors: dict[str, list[str]] = page.context["adminform"].form.errors
    return errors


def test_an_entry_is_added(admin: Client) -> None:
    """And is the admin's own."""
    assert admin.post(ENTRIES + "add/", FORM).status_code == 302
    made = Entry.objects.get()
    assert (made.name, str(made.timing), made.origin) == ("by hand", "15 4 * * *", "admin")


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"task": "shop.no_such"}, "task", "There is no task shop.no_such."),
        ({"cron": "15 4 * *"}, "cron", "Found 4 fields; five are needed: minute, hour, day of month, month, weekday."),
        ({"cron": "61 4 * * *"}, "cron", "Not a cron expression: Invalid end range: 61 > 59."),
        ({"cron": "0 0 30 2 *"}, "cron", "Not a cron expression: Invalid crontab: day_of_month '30' never occurs in month_of_year '2'."),
        ({"cron": "15  4 * * *"}, "cron", "Separate the fields by one space each."),
        ({"every": "60"}, "__all__", "Fill in exactly one of: when (cron), or every, or once at."),
        ({"cron": ""}, "__all__", "Fill in exactly one of: when (cron), or every, or once at."),
        ({"cron": "", "every": "0"}, "every", "Ensure this value is greater than or equal to 1."),
        ({"cron": "", "at_0": "2020-01-01", "at_1": "12:00"}, "at", "This is past: the entry would be missed at once."),
        ({"args": "[1,"}, "args", "Enter a valid JSON."),
        ({"args": '{"a": 1}'}, "args", "A list is needed, such as [1, 2]; found dict."),
        ({"kwargs": "[1]"}, "kwargs", 'An object is needed, such as {"day": "2026-11-21"}; found list.'),
        ({"kwargs": '{"depth": 3}'}, "kwargs", "The task does not take these arguments: backend_cleanup() got an unexpected keyword argument 'depth'"),
    ],
)  # fmt: skip
def test_what_could_not_be_sent_is_refused(admin: Client, change: dict[str, str], field: str, message: str) -> None:
    """At the field, with what was found and what is needed."""
    assert message in _refusals(admin, **change)[field]
    assert not Entry.objects.exists()


def test_a_task_that_no_group_claims_is_refused(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would wait in a queue for ever."""
    monkeypatch.setattr("workers.beat.validation.group_of", lambda *_: None)
    assert _refusals(admin)["task"] == [f"No worker group claims {TASK}: add it to a group's `tasks` in workers.yml."]


def test_the_codes_entries_can_only_be_disabled(admin: Client) -> None:
    """Whatever is posted: the timing is the code's."""
    own = entry("app.one", cron="15 4 * * *", origin="code", note="from the code")
    page = admin.get(f"{ENTRIES}{own.pk}/change/")
    assert set(page.context["adminform"].form.fields) == {"enabled"}
    admin.post(f"{ENTRIES}{own.pk}/change/", {**FORM, "name": "mine", "cron": "* * * * *", "enabled": ""})
    changed = Entry.objects.get()
    assert (changed.name, changed.cron, changed.enabled) == ("app.one", "15 4 * * *", False)


@pytest.mark.parametrize(("origin", "left"), [("admin", 0), ("gone", 0), ("code", 1)])
def test_the_codes_entries_cannot_be_deleted(admin: Client, origin: str, left: int) -> None:
    """They would come back with the next scheduler, enabled."""
    own = entry(origin=origin)
    admin.post(f"{ENTRIES}{own.pk}/delete/", {"post": "yes"})
    assert Entry.objects.count() == left
    everything = {"action": "delete_selected", "_selected_action": [own.pk], "post": "yes"}
    admin.post(ENTRIES, everything)
    assert Entry.objects.count() == left


@pytest.mark.parametrize(("action", "before", "after"), [("enable", False, True), ("disable", True, False)])
def test_switching_several_is_a_change_of_each(admin: Client, action: str, before: bool, after: bool) -> None:
    """What they missed while they were off is not made up for."""
    own = entry(enabled=before)
    Entry.objects.update(changed_at=datetime(2026, 1, 1, tzinfo=UTC))
    admin.post(ENTRIES, {"action": action, "_selected_action": [own.pk]})
    changed = Entry.objects.get()
    assert changed.enabled == after
    assert changed.revision != own.revision
    assert changed.changed_at > datetime.now(UTC) - timedelta(minutes=1)


def test_what_the_code_has_dropped_cannot_be_enabled(admin: Client) -> None:
    """Its task may be gone as well."""
    own = entry(origin="gone", enabled=False)
    admin.post(ENTRIES, {"action": "enable", "_selected_action": [own.pk]})
    admin.post(f"{ENTRIES}{own.pk}/change/", FORM)
    assert not Entry.objects.get().enabled


def test_the_list_tells_when_and_what_became_of_the_last(admin: Client) -> None:
    """At a glance."""
    entry("nightly", cron="15 4 * * *")
    due = datetime(2026, 11, 21, 4, 15, tzinfo=UTC)
    Run.objects.create(name="nightly", due=due, state="doubtful", token=1, host="b1", noted_at=due)
    page = admin.get(ENTRIES).text
    assert "15 4 * * *".replace(" ", "\N{NO-BREAK SPACE}") in page
    assert "perhaps\N{NO-BREAK SPACE}sent" in page


@pytest.mark.parametrize(("page", "shown"), [("run", {"sent", "missed"}), ("missedrun", {"missed"})])
def test_runs_are_shown_and_never_changed(admin: Client, page: str, shown: set[str]) -> None:
    """The missed ones have a page of their own."""
    now = datetime.now(UTC)
    for state in ("sent", "missed"):
        Run.objects.create(name=state, due=now, state=state, token=1, host="b1", noted_at=now, count=7)
    listed = admin.get(f"/admin/beat/{page}/")
    assert {run.name for run in listed.context["cl"].result_list} == shown
    one = Run.objects.get(name="missed")
    assert admin.get(f"/admin/beat/{page}/{one.pk}/change/").status_code == 200
    assert admin.post(f"/admin/beat/{page}/{one.pk}/change/", {"name": "x"}).status_code == 403
    assert admin.get(f"/admin/beat/{page}/add/").status_code == 403
