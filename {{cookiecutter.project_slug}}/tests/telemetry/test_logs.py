"""How a single line comes to look as it does."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from secrets import token_hex
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from billiard.exceptions import TimeLimitExceeded
from celery import signals
from django.conf import settings
from structlog.testing import capture_logs

from config.env import environment
from telemetry import logs

Lines = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Log as before after each test."""
    yield
    logs.configure(settings.LOGGING)


@pytest.fixture
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Lines:
    """Log as production does, or in the form that the test's parameter names; call it for the lines."""
    form = getattr(request, "param", "json")
    monkeypatch.setenv("LOG_FORMAT", form)
    stream = io.StringIO()
    _log_to(stream, form)
    return lambda: stream.getvalue().splitlines()


def _log_to(stream: io.StringIO, form: str) -> None:
    env = environment().model_copy(update={"log_format": form})
    options = logs.django_logging(env)
    options["handlers"]["stderr"]["stream"] = stream
    logs.configure(options)


def events(lines: list[str]) -> list[dict[str, Any]]:
    """The lines as data."""
    return [json.loads(line) for line in lines]


def test_a_logger_that_was_used_follows_what_is_configured_later() -> None:
    """Gunicorn logs before Django is loaded; and what looks for lines in tests finds those of every module."""
    logger = structlog.get_logger("used.early")
    logger.info("once")
    logs.configure(settings.LOGGING)
    with capture_logs() as captured:
        logger.info("again")
    assert [line["event"] for line in captured] == ["again"]


def test_libraries_and_own_code_log_alike(written: Lines) -> None:
    """One format, whoever logs: the fields of a line are the same."""
    logging.getLogger("some.library").warning("hello %s", "world")
    structlog.get_logger("own.code").warning("hello", name="world")
    library, own = events(written())
    assert (library["event"], library["logger"], library["level"]) == ("hello world", "some.library", "warning")
    assert (own["event"], own["logger"], own["name"]) == ("hello", "own.code", "world")
    assert library.keys() == own.keys() - {"name"}


def test_a_warning_is_one_line(written: Lines) -> None:
    """Python's warnings come with their source code, on lines of their own."""
    logging.getLogger("py.warnings").warning("%s", "/a.py:1: UserWarning: careful\n  careful()\n")
    assert events(written())[0]["event"] == "/a.py:1: UserWarning: careful careful()"


@pytest.mark.parametrize("written", ["json", "console"], indirect=True)
def test_a_traceback_tells_no_local_variable(written: Lines) -> None:
    """Among them are passwords, the arguments of tasks, and objects that take minutes to be written."""
    password = token_hex(8)  # short: a longer one might be folded
    try:
        _refuse(password)
    except OSError:
        logging.getLogger("some.library").exception("failed")
    lines = "\n".join(written())
    assert "_refuse" in lines
    assert password not in lines


def _refuse(password: str) -> None:
    raise OSError(len(password))


def test_what_cannot_be_written_as_json_is_written_as_text(written: Lines) -> None:
    """A line is never lost because of a value in it."""
    structlog.get_logger("own.code").warning("odd", value={1, 2}, other=b"\xff")
    assert events(written())[0]["value"] == "{1, 2}"


def test_a_hard_time_limit_is_one_line_with_the_name_of_its_task(written: Lines) -> None:
    """Celery reports it twice, from the main process, which knows no context."""
    task = SimpleNamespace(name="shop.charge", throws=(), request=SimpleNamespace())
    for _ in range(2):
        logs.Receiver.receiver_task_failure(
            logs._receiver, sender=task, task_id="1", exception=TimeLimitExceeded(3), einfo=None
        )
    logging.getLogger("celery.worker.request").error("Hard time limit (%ss) exceeded for %s[%s]", 3, "shop.charge", "1")
    assert [(line["event"], line["task"]) for line in events(written())] == [("task_failed", "shop.charge")]


def test_a_retry_is_not_its_own_parent(written: Lines) -> None:
    """The message of a retry is sent by the task itself."""
    task = SimpleNamespace(name="t", request=SimpleNamespace(id="1", retries=1, delivery_info={"routing_key": "q"}))
    with structlog.contextvars.bound_contextvars(parent_task_id="1"):
        logs._bind_task(task)
        structlog.get_logger("own.code").warning("again")
    structlog.contextvars.clear_contextvars()
    (line,) = events(written())
    assert "parent_task_id" not in line
    assert (line["queue"], line["retries"]) == ("q", 1)


def test_lines_between_tasks_belong_to_none() -> None:
    """What a process says after a task does not carry that task's id."""
    structlog.contextvars.bind_contextvars(task_id="1")
    signals.task_postrun.send(sender=None, task_id="1", task=None)
    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_colours_follow_the_terminal_and_the_usual_variables(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, coloured: bool
) -> None:
    """`workers up` forces colours through its pipes; nobody gets them into a file by accident."""
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    _log_to(stream, "console")
    logging.getLogger("some.library").warning("hello")
    assert ("\x1b[" in stream.getvalue()) is coloured
    assert "hello" in stream.getvalue()
