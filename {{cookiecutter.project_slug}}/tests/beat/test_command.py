"""`python -m workers beat`: what there is to know, with an exit code by severity."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from django.db import OperationalError
from django.db.models.functions import Now

from tests.beat.samples import entry
from workers.beat import lease
from workers.beat.lease import Tenure
from workers.beat.models import Entry, Run, Scheduler
from workers.commands import main
from workers.topology import topology

pytestmark = pytest.mark.django_db


@pytest.fixture
def running(db: None) -> Tenure:  # noqa: ARG001
    """As many schedulers as the topology wants, one of them active."""
    lease.prepare()
    active = Tenure("b1:1:aaaaaa")
    assert active.hold()
    for number in range(topology().beat.hosts):
        Scheduler.objects.create(pk=active.name if not number else f"b2:{number}:bbbbbb", seen_at=active.now())
    return active


def _call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["beat", *arguments], env={"COLUMNS": "160"})


def _findings(*arguments: str) -> tuple[int, list[tuple[str, str, str]]]:
    done = _call(*arguments, "--json")
    [report] = json.loads(done.output)["reports"]
    return done.exit_code, [(found["severity"], found["subject"], found["message"]) for found in report["findings"]]


def _record(state: str, ago: timedelta = timedelta(hours=1), **fields: Any) -> Run:
    due = datetime.now(UTC) - ago
    return Run.objects.create(name="nightly", due=due, state=state, token=1, host="b1", noted_at=due, **fields)


def test_all_is_well(running: Tenure) -> None:
    """The active one, the waiting ones, and each entry with its next run."""
    entry("nightly", cron="15 4 * * *")
    entry("off", enabled=False)
    done = _call("status")
    assert done.exit_code == 0, done.output
    assert "all is well" in done.output
    for shown in (running.name, "active", "15 4 * * *", "04:15:00", "disabled"):
        assert shown in done.output


def test_nobody_schedules() -> None:
    """On the first day."""
    code, [first, *_] = _findings("status")
    assert (code, first) == (4, ("critical", "schedulers", "none has ever been active"))


def test_the_active_one_is_gone(running: Tenure) -> None:
    """And nobody has taken over."""
    running.release()
    Scheduler.objects.update(seen_at=Now() - timedelta(minutes=1))
    code, found = _findings("status")
    assert code == 4
    assert found[0][2].startswith("none is active since 20")


def test_a_missing_scheduler_is_a_warning(running: Tenure) -> None:
    """The next fault would leave none."""
    Scheduler.objects.exclude(pk=running.name).delete()
    Scheduler.objects.update(seen_at=Now() - timedelta(minutes=1))
    wanted = topology().beat.hosts
    assert _findings("status") == (3, [("warning", "schedulers", f"0 of {wanted} (beat.hosts) run")])


@pytest.mark.usefixtures("running")
def test_what_is_due_and_not_sent_is_critical() -> None:
    """The lease is held, and all the same nothing happens: no broker, say."""
    entry("tick", every=60)
    Entry.objects.update(changed_at=Now() - timedelta(minutes=5))
    code, [(severity, subject, message)] = _findings("status")
    assert (code, severity, subject) == (4, "critical", "tick")
    assert message.endswith("and not sent")


@pytest.mark.usefixtures("running")
def test_status_mentions_missed_runs() -> None:
    """Of the last day."""
    _record("missed")
    _record("missed", timedelta(days=2))
    assert _findings("status") == (3, [("warning", "runs", "1 missed or late within a day")])


@pytest.mark.parametrize(("state", "code"), [("sent", 0), ("claimed", 0), ("late", 3), ("missed", 4), ("doubtful", 4)])
def test_missed_runs_decide_the_exit_code(state: str, code: int) -> None:
    """Late is a warning; not sent, or perhaps not, is critical."""
    _record(state, reason="no scheduler was active", count=3, task_id="0b5c")
    done = _call("missed")
    assert done.exit_code == code, done.output
    assert ("no scheduler was active" in done.output) == bool(code)
    assert ("task id 0b5c" in done.output) == (state == "doubtful")
    assert ("all is well" in done.output) == (not code)


def test_how_far_to_look_back_is_a_choice() -> None:
    """A month is kept."""
    _record("missed", timedelta(hours=30))
    assert _call("missed").exit_code == 0
    assert _call("missed", "--hours", "48").exit_code == 4


def test_a_database_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable to look at."""

    def lost() -> None:
        raise OperationalError("connection refused\n")

    monkeypatch.setattr("workers.beat.report.prepare", lost)
    done = _call("missed")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        "DATABASE_URL: connection refused; is it up, and was `python manage.py migrate` run?"
    ]
