"""The code's schedule: written down by whoever becomes active, refused as a whole where an entry could not be sent."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from celery.schedules import crontab, schedule
from django.conf import settings

from config.celery import app
from tests.beat.samples import TASK, entry
from workers.beat import code
from workers.beat.models import Entry

pytestmark = pytest.mark.django_db
NIGHTLY = {"task": TASK, "schedule": crontab(hour="4", minute="15")}


def test_this_projects_own_schedule_can_be_sent() -> None:
    """Or beat would not start."""
    assert [str(problem) for problem in code.problems(app.conf.beat_schedule)] == []


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (crontab(hour="4", minute="15"), "15 4 * * *"),
        (crontab(minute="*/5", day_of_week="mon-fri"), "*/5 * * * mon-fri"),
        (crontab(minute=[30, 0], hour=[1, 2]), "0,30 1,2 * * *"),
        (crontab(minute=0, hour="0, 12"), "0 0,12 * * *"),
        (schedule(timedelta(minutes=2)), "every 120 s"),
        (timedelta(hours=1), "every 3600 s"),
        (30, "every 30 s"),
        (30.0, "every 30 s"),
    ],
)
def test_each_way_to_write_a_schedule_is_understood(written: Any, stored: str) -> None:
    """As Celery takes them."""
    code.store({"app.one": {"task": TASK, "schedule": written}})
    assert str(Entry.objects.get().timing) == stored


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "celery.backend_cleanpu"}, "There is no task celery.backend_cleanpu. Did you mean celery.backend_cleanup?"),
        ({"task": ""}, "There is no task ."),
        ({"schedule": 0.5}, "schedule must be whole seconds from 1 to 31622400; found 0.5"),
        ({"schedule": timedelta(0)}, "schedule must be whole seconds from 1 to 31622400; found 0.0"),
        ({"schedule": "4:15"}, "schedule must be a crontab, a timedelta or seconds; found str"),
        ({"schedule": None}, "schedule must be a crontab, a timedelta or seconds; found NoneType"),
        ({"shedule": 30}, "unknown key shedule; known are args, kwargs, late_within, options, schedule, task"),
        ({"options": {"queue": "batch"}}, "options has queue; only `expires` is taken: a task's group gives it its queue and limits"),
        ({"options": {"expires": "soon"}}, "options.expires must be whole seconds from 1 to 31622400; found soon"),
        ({"late_within": -1}, "late_within must be whole seconds from 0 to 31622400; found -1"),
        ({"kwargs": {"day": datetime(2026, 11, 21)}}, "its arguments are not JSON: Object of type datetime is not JSON serializable"),  # noqa: DTZ001
        ({"kwargs": {"depth": 3}}, "The task does not take these arguments: backend_cleanup() got an unexpected keyword argument 'depth'"),
    ],
)  # fmt: skip
def test_an_entry_that_could_not_be_sent_is_refused(change: dict[str, Any], message: str) -> None:
    """With its name, what was found, and what is taken."""
    problems = code.problems({"app.one": {**NIGHTLY, **change}, "app.two": NIGHTLY})
    assert [str(problem) for problem in problems] == [f"app.one (W27): {message}"]


def test_what_the_code_says_is_stored_with_its_defaults() -> None:
    """Options and all."""
    code.store({"app.one": {**NIGHTLY, "options": {"expires": 290}, "late_within": 0}})
    stored = Entry.objects.get()
    assert (stored.name, stored.task, stored.origin, stored.enabled) == ("app.one", TASK, "code", True)
    assert (stored.args, stored.kwargs, stored.expires, stored.late_within) == ([], {}, 290, 0)


def test_storing_the_same_again_changes_nothing() -> None:
    """A restart begins no entry anew."""
    code.store({"app.one": NIGHTLY})
    before = Entry.objects.get()
    code.store({"app.one": NIGHTLY})
    assert Entry.objects.get().revision == before.revision


def test_a_release_changes_its_own_entries_only() -> None:
    """Disabled ones stay disabled, and those of the admin are nobody's business."""
    code.store({"app.one": NIGHTLY})
    Entry.objects.update(enabled=False)
    own = entry("by hand")
    code.store({"app.one": {**NIGHTLY, "schedule": 30}})
    stored = Entry.objects.get(name="app.one")
    assert (str(stored.timing), stored.enabled) == ("every 30 s", False)
    assert Entry.objects.get(name="by hand").revision == own.revision


def test_an_entry_that_left_the_code_is_kept_and_comes_back_as_it_was() -> None:
    """A roll-back must not switch on what somebody switched off."""
    code.store({"app.one": NIGHTLY})
    Entry.objects.update(enabled=False)
    code.store({})
    assert Entry.objects.get().origin == "gone"
    code.store({"app.one": NIGHTLY})
    assert (Entry.objects.get().origin, Entry.objects.get().enabled) == ("code", False)


def test_schedules_of_apps_are_found() -> None:
    """Whatever apps there are."""
    assert all(name.partition(".")[0] in settings.PROJECT_APPS for name in app.conf.beat_schedule)
