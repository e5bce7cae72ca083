"""`manage.py demo`: its arithmetic, what it makes of events, and that it never calls unfinished work done."""

import io
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from django.core.management import CommandError, call_command
from rich.console import Console

from shop.demo import report, work
from shop.demo.api import Api, ApiError
from shop.demo.events import Listener, Seen, Tasks
from shop.demo.progress import Lines
from shop.env import Environment
from tests.conftest import free_port
from tests.shop.samples import eventually


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None),
        ([7.0], 0.95, 7.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.95, 95.0),
        ([float(n) for n in range(1, 21)], 0.95, 19.0),
        ([1.0] * 94 + [9.0] * 6, 0.95, 9.0),
        ([1.0, 2.0], 0, 1.0),
        ([1.0, 2.0], 1, 2.0),
    ],
)
def test_percentiles_are_values_that_occurred(values: list[float], share: float, expected: float | None) -> None:
    """By nearest rank, in whatever order the values came."""
    assert report.percentile(values, share) == expected


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.0042, "4 ms"), (0.9994, "999 ms"), (1, "1.0 s"), (61.25, "61.2 s")]
)
def test_times_are_written_in_their_unit(seconds: float | None, text: str) -> None:
    """Milliseconds below a second."""
    assert report.duration(seconds) == text


def event(kind: str, uuid: str, moment: float, **more: Any) -> dict[str, Any]:
    """Make an event as Celery sends it."""
    return {"type": f"task-{kind}", "uuid": uuid, "timestamp": moment, **more}


def told(*events: dict[str, Any]) -> Tasks:
    """Have tasks put together from events."""
    tasks = Tasks()
    for one in events:
        tasks.add(one)
    return tasks


NAME = {"name": "shop.tasks.priority.charge", "queue": "priority"}


def test_a_task_is_put_together_from_its_events() -> None:
    """Waiting ends with the first start, running is the last run's, and retries are counted."""
    tasks = told(
        event("sent", "a", 10.0, **NAME),
        event("received", "a", 10.1, name=NAME["name"]),
        event("started", "a", 10.25),
        event("retried", "a", 10.5),
        event("sent", "a", 10.5, **NAME),
        event("started", "a", 12.0),
        event("succeeded", "a", 12.5, runtime=0.5),
    )
    assert tasks.ours() == [Seen(NAME["name"], "priority", 10.0, 10.25, 0.5, 1, "succeeded")]
    assert tasks.ours()[0].wait == 0.25


def test_events_may_come_in_any_order() -> None:
    """Those of a worker can overtake those of the web that sent the task."""
    events = [
        event("sent", "a", 10.0, **NAME),
        event("started", "a", 10.25),
        event("succeeded", "a", 12.5, runtime=2.25),
    ]
    assert told(*events).seen == told(*reversed(events)).seen


def test_only_ended_tasks_have_ended() -> None:
    """A retry is not an end, nor is a start; a failure is one."""
    tasks = told(
        event("sent", "a", 1, **NAME), event("started", "a", 1), event("retried", "a", 1),
        event("sent", "b", 1, **NAME), event("failed", "b", 2),
        event("sent", "c", 1, name="celery.backend_cleanup", queue="default"),
    )  # fmt: skip
    assert [task.state for task in tasks.open()] == ["open"]
    assert report.figures("priority", tasks.ours()).failures == 1


def test_figures_leave_out_what_was_not_measured() -> None:
    """A task whose start was not seen counts as a task, not as a wait of zero."""
    row = report.figures("g", [Seen(sent=1, started=3, run=0.5), Seen(sent=1), Seen(started=2, retries=2)])
    assert (row.tasks, row.wait, row.run, row.retries) == (3, (2, 2), (0.5, 0.5), 2)


def test_a_listener_hears_from_the_first_event_on(redis_server: str) -> None:
    """It is entered only when events come through: those before would be lost."""
    app = Celery("events", broker=f"{redis_server}/4", set_as_current=False)
    with Listener(app) as listener, app.events.default_dispatcher() as dispatcher:
        dispatcher.send("task-sent", uuid="a", **NAME)
        dispatcher.send("task-succeeded", uuid="a", runtime=1.0)
        listener.tasks.wait_until_ended(10)
        assert eventually(lambda: [task.state for task in listener.tasks.ours()] == ["succeeded"])


class Pretended(Api):
    """A shop that takes everything and finishes what it is told to."""

    def __init__(self, never: str = "") -> None:
        self.never = never
        self.taken: dict[str, int] = {}
        self.keys: dict[str, str] = {}

    def _state(self, kind: str, number: str) -> dict[str, Any]:
        finished = self.never not in {number, kind}
        return {
            "id": number, "finished": finished, "state": "confirmed", "rows_done": 4212, "rows_total": 4212,
            "rows_bad": 9, "digits": "123456", "expected": "123456", "unsure": False, "recipients": 1,
            "orders": 1, "revenue_cents": 1,
        }  # fmt: skip

    def get(self, path: str) -> dict[str, Any]:
        """Tell how far it is."""
        return self._state(*path.split("/"))

    def post(self, path: str, _body: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        """Take it, once a key."""
        self.taken[path] = self.taken.get(path, 0) + 1
        number = self.keys.setdefault(key, f"{path}-{len(self.keys)}") if key else path
        return {**self._state(path, number), "finished": False}

    def upload(self, path: str, file: Path, **_fields: str) -> dict[str, Any]:
        """Take a file, once a file."""
        return self.post(path, {}, str(file))


class Forgetful(dict[str, str]):
    """Forgets every key: what a shop without idempotency does."""

    def setdefault(self, _key: str, default: str = "") -> str:
        """Make a new number each time."""
        return f"{default}-{uuid4()}"


def done(api: Api, seconds: float = 20) -> work.Work:
    """Do a small day's work."""
    doing = work.Work(api, 60, [Path("001-123456.png"), Path("002-654321.png")], seconds)
    doing.do(lambda: None)
    return doing


def test_all_work_is_given_and_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every order, two of them twice, and one of everything else; nothing is left to say."""
    monkeypatch.setattr(work, "LOOK", 0.01)
    api = Pretended()
    doing = done(api)
    assert api.taken == {"imports": 1, "orders": 62, "slips": 2, "newsletters": 1, "reports": 1}
    assert not list(report.problems(doing, Tasks()))


@pytest.mark.parametrize(
    ("never", "said"),
    [
        ("imports", "catalogue: 1 of 1 did not finish, such as imports-0"),
        ("slips", "slips: 2 of 2 did not finish, such as slips-"),
        ("newsletters", "newsletter: 1 of 1 did not finish, such as newsletters"),
        ("reports", "report: 1 of 1 did not finish, such as reports"),
    ],
)
def test_what_does_not_finish_is_named(monkeypatch: pytest.MonkeyPatch, never: str, said: str) -> None:
    """Time ends the waiting, and the report names what it waited for."""
    monkeypatch.setattr(work, "LOOK", 0.01)
    problems = list(report.problems(done(Pretended(never), seconds=1), Tasks()))
    assert any(problem.startswith(said) for problem in problems)


def test_what_was_not_begun_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that waits for other work is missing, too, when time runs out before it."""
    monkeypatch.setattr(work, "LOOK", 0.01)
    problems = list(report.problems(done(Pretended("orders"), seconds=1), Tasks()))
    assert "orders: 52 of 60 were not begun" in problems
    assert "newsletter: 1 of 1 were not begun" in problems


def test_a_task_that_did_not_end_is_named() -> None:
    """By its name, its group and how many."""
    tasks = told(event("sent", "a", 1, **NAME), event("sent", "b", 1, **NAME), event("failed", "b", 2))
    doing = work.Work(Pretended(), 0, [], 1)
    for kind in doing.everything:
        kind.expected = 0
    assert list(report.problems(doing, tasks)) == [
        "tasks: 1 x shop.tasks.priority.charge (priority) did not end",
        "tasks: 1 x shop.tasks.priority.charge (priority) failed",
    ]


def test_an_order_that_became_two_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It checks the shop's promise and does not only count."""
    monkeypatch.setattr(work, "LOOK", 0.01)
    api = Pretended()
    api.keys = Forgetful()
    with pytest.raises(ApiError, match="became two"):
        done(api)


def test_lines_go_where_nothing_can_be_redrawn() -> None:
    """One line at once and one at the end, without control characters."""
    out = io.StringIO()
    with Lines(Console(file=out), [work.Followed("orders", "orders", 3)]) as lines:
        lines.show()
        lines.show()
    assert [line.split("s  ")[1] for line in out.getvalue().splitlines()] == ["orders 0/3", "orders 0/3"]


def test_the_report_fits_a_terminal_of_80(capsys: pytest.CaptureFixture[str]) -> None:
    """The figures of each group in one line."""
    tasks = told(event("sent", "a", 1, **NAME), event("started", "a", 61.5), event("failed", "a", 62))
    Console(width=80).print(report.table(["default", "priority"], tasks))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["priority", "1", "60.5", "s", "60.5", "s", "-", "-", "0", "1"] in lines
    assert ["default", "0", "-", "-", "-", "-", "0", "0"] in lines


def test_a_project_that_does_not_run_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence and exit 1 instead of a traceback."""
    monkeypatch.setattr(Listener, "__enter__", lambda self: self)
    monkeypatch.setattr(Listener, "__exit__", lambda *_given: None)
    with pytest.raises(CommandError, match="is the project running"):
        call_command("demo", "--site", f"http://127.0.0.1:{free_port()}")


def test_it_is_refused_where_money_is_real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hundred orders with test cards are nothing for a provider that bills."""
    real = Environment.model_construct(environment="production")
    monkeypatch.setattr("shop.management.commands.demo.environment", lambda: real)
    with pytest.raises(CommandError, match="a real provider"):
        call_command("demo")
