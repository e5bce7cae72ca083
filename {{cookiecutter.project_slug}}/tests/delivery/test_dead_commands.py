"""`python -m workers dead`: what an operator sees and does, with an exit code that a script can use."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from django.db import OperationalError
from django.db.models.functions import Now

from config.celery import app
from tests.delivery.letters import TASK, error, give_up, letter, message, taken
from workers.commands import main
from workers.delivery.dead import collect
from workers.delivery.dead.collect import NotCollectedError, keep
from workers.delivery.dead.inbox import Taken
from workers.delivery.dead.letter import Letter, send
from workers.delivery.models import DeadLetter, Replay

if TYPE_CHECKING:
    from redis import Redis

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker")]


def _call(*arguments: str, types: str | None = None) -> Result:
    return CliRunner().invoke(main, ["dead", *arguments], input=types, env={"COLUMNS": "120"})


def _ids(*arguments: str) -> list[str]:
    """The task ids that a list with these arguments shows."""
    done = _call("list", "--json", *arguments)
    assert done.exit_code == 0, done.output
    return [each["task_id"] for each in json.loads(done.stdout)["letters"]]


def test_a_list_collects_first_and_is_a_table() -> None:
    """The relay may be away."""
    give_up("t4711")
    done = _call("list")
    assert done.exit_code == 0, done.output
    number = str(DeadLetter.objects.get().pk)
    heading, _, row, counted = done.stdout.splitlines()
    assert heading.split() == ["id", "ago", "task", "group", "reason", "runs", "replays", "exception"]
    assert row.split() == [number, "0s", TASK, "default", "failed", "4", "0", "LookupError:", "no", "such", "order"]
    assert counted == "1 to 1 of 1"


def test_no_letters_are_one_word() -> None:
    """And no failure."""
    done = _call("list")
    assert (done.exit_code, done.stdout) == (0, "no such letters\n")


def test_a_list_is_shown_by_pages_and_json_as_a_whole() -> None:
    """The newest first."""
    give_up(*map(str, range(60)))
    assert "1 to 50 of 60; --page 2 shows more" in _call("list").stdout
    assert "51 to 60 of 60\n" in _call("list", "--page", "2").stdout
    assert "there are 60: no page 3" in _call("list", "--page", "3").stdout
    assert _ids() == [str(number) for number in reversed(range(60))]
    assert _ids("--limit", "2", "--page", "2") == ["57", "56"]


@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        (["--task", "celery.backend_cleanup"], "old young"),
        (["--task", "*.chord*"], "chord"),
        (["--task", "celery.*"], "chord old young"),
        (["--task", "celery"], ""),
        (["--group", "batch"], "chord"),
        (["--queue", "batch"], "chord"),
        (["--reason", "time limit"], "chord"),
        (["--exception", "lookup"], "old young"),
        (["--exception", "Timeout"], "chord"),
        (["--older-than", "2h"], "old"),
        (["--newer-than", "2h"], "chord young"),
        (["--newer-than", "2h", "--task", "*cleanup"], "young"),
        (["--state", "replayed"], "done"),
        (["--state", "any"], "chord done old young"),
    ],
)
def test_letters_are_filtered(filters: list[str], shown: str) -> None:
    """By each alone, and by several together."""
    give_up("old", "young", "done")
    told = error()
    told.exception = TimeoutError()
    other = message(id="chord", task="celery.chord_unlock")
    other.delivery_info["routing_key"] = "batch"
    request: Any = type("Request", (), {"message": other, "hostname": "batch@h"})
    send(Letter.of_request(request, told, "time limit"), app)
    collect.collect_once()
    DeadLetter.objects.filter(task_id="old").update(last_at=Now() - timedelta(hours=3))
    DeadLetter.objects.filter(task_id="done").update(state="replayed", exception="")
    assert sorted(_ids(*filters)) == shown.split()


@pytest.mark.parametrize("wrong", ["3", "2x", "-2h", "h", "2 h ago", "9999999d"])
def test_what_is_no_age_is_wrong_usage(wrong: str) -> None:
    """With what one looks like."""
    done = _call("list", f"--older-than={wrong}")
    assert done.exit_code == 2
    assert "is no age; expected a number and a unit, such as 90s, 30m, 2h, 3d or 1w" in done.stderr


def test_arguments_show_their_types_unless_they_are_public_or_revealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are somebody's data; also where the message itself says more."""
    keep([Taken(message(argsrepr="('a@b.org', 7)", kwargsrepr="{'secret': 'xyzzy'}"))], "default")
    number = str(DeadLetter.objects.get().pk)
    hidden = _call("show", number).stdout
    assert "(<str>, <int>) {size=<int>, secret=<str>}" in hidden
    assert not {"a@b.org", "xyzzy"} & set(hidden.split())
    assert "xyzzy" not in _call("show", number, "--json").stdout + _call("list", "--json").stdout
    monkeypatch.setattr(app.tasks[TASK], "public_arguments", ("size",), raising=False)
    assert "(<str>, <int>) {size=3, secret=<str>}" in _call("show", number).stdout
    assert "('a@b.org', 7) {'size': 3, 'secret': 'xyzzy'}" in _call("show", number, "--reveal").stdout


def test_a_terminal_is_told_nothing_by_a_letter() -> None:
    """Whoever writes into a log or a message could else clear an operator's screen, or type for him."""
    send(letter("t4711", text="\x1b[2J\x9b2J\x07", task="\x1bc"), app)
    for command in (["list"], ["show", "t4711"], ["show", "t4711", "--reveal"]):
        done = _call(*command)
        assert done.exit_code == 0, done.output
        assert not {"\x1b", "\x9b", "\x07"} & set(done.stdout)


@pytest.mark.parametrize("body", [b"\x80junk", b"[1]", b"3", b'"secret"', b"{}", b'[{"a": 1}, 3]'])
def test_a_body_that_is_no_tasks_is_its_size_unless_revealed(body: bytes) -> None:
    """It may be anybody's data, too."""
    keep([Taken(message(body))], "default")
    number = str(DeadLetter.objects.get().pk)
    assert f"<{len(body)} bytes>" in _call("show", number).stdout
    assert body.decode(errors="backslashreplace") in _call("show", number, "--reveal").stdout


def test_one_letter_is_shown_with_its_history_and_its_traceback() -> None:
    """By its number or its task's id: the newest then."""
    give_up("t4711")
    assert _call("replay", "t4711").exit_code == 0
    send(letter("t4711", text="once more", replays=1), app)
    done = _call("show", "t4711")
    assert done.exit_code == 0, done.output
    assert "LookupError: once more" in done.stdout
    assert "raise LookupError(text)" in done.stdout
    events = json.loads(_call("show", "t4711", "--json").stdout)["history"]
    assert all(what in done.stdout for _, what in events)
    lines = [what for _, what in events]
    assert len(lines) == 3
    assert "given up" in lines[0]
    assert "replay 1 by " in lines[1]
    assert lines[1].endswith("to default: sent")
    assert "given up" in lines[2]


@pytest.mark.parametrize("command", ["show", "replay", "purge"])
def test_a_letter_that_is_not_there_is_refused(command: str) -> None:
    """By name, with exit code 1."""
    done = _call(command, "9999")
    assert done.exit_code == 1
    assert done.stderr.startswith("there is no letter 9999")


@pytest.mark.parametrize("command", ["replay", "purge"])
def test_letters_are_chosen_on_purpose(command: str) -> None:
    """Neither an id nor a filter is not all of them."""
    give_up("1")
    done = _call(command, "--yes")
    assert (done.exit_code, done.stderr) == (1, "which letters? Name ids or a filter, or all of them by --all\n")
    assert DeadLetter.objects.get().state == "dead"
    assert _call(command, "--all", "--yes").exit_code == 0


@pytest.mark.parametrize(("answer", "code", "sent"), [("n\n", 1, 0), (None, 1, 0), ("y\n", 0, 3)])
def test_several_are_sent_again_only_if_somebody_says_so(answer: str | None, code: int, sent: int) -> None:
    """Nobody at the terminal is a no."""
    give_up("1", "2", "3")
    done = _call("replay", "--all", "--rate", "1000", types=answer)
    assert "Send 3 of 3 tasks again, 1000 a second? [y/N]" in done.stderr
    assert (done.exit_code, len(taken("default"))) == (code, sent)


def test_a_replay_is_bounded_and_begins_with_the_oldest() -> None:
    """The rest is sent by running it again."""
    give_up("1", "2", "3")
    done = _call("replay", "--all", "--limit", "2", "--yes", "--rate", "1000")
    assert done.exit_code == 0
    assert done.stdout == "2 of 3 sent again\n1 were not looked at: --limit, or run it again\n"
    assert [each.headers["id"] for each in taken("default")] == ["1", "2"]


def test_a_replay_says_what_it_left_out_and_why() -> None:
    """With exit code 3: a script must not take that for all."""
    give_up("1", "2")
    keep([Taken(message(task=None, id="3"))], "default")
    done = _call("replay", "--all", "--yes", "--rate", "1000")
    assert done.exit_code == 3
    assert done.stdout == "2 of 3 sent again\n     1 not: the message names no task\n"


def test_a_replay_of_one_does_not_ask_and_is_noted_with_who_did_it() -> None:
    """Somebody at a host."""
    give_up("one")
    assert _call("replay", "one").exit_code == 0
    assert "@" in Replay.objects.get().by
    again = _call("replay", "one")
    assert again.exit_code == 3
    assert "was sent again and has not come back" in again.stdout
    assert len(taken("default")) == 1


def test_a_dry_run_changes_nothing() -> None:
    """It says what would go where, and what not."""
    give_up("1")
    keep([Taken(message(task=None, id="2"))], "default")
    done = _call("replay", "--all", "--dry-run")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "1 of 2 would be sent; nothing was"
    assert "the message names no task" in done.stdout
    assert not taken("default")
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {"dead"}


@pytest.mark.parametrize(("answer", "left"), [("n\n", 3), (None, 3), ("y\n", 0)])
def test_a_purge_says_how_many_and_asks(answer: str | None, left: int) -> None:
    """One cannot be undone either."""
    give_up("1", "2", "3")
    done = _call("purge", "--all", types=answer)
    assert "Throw 3 letters away? [y/N]" in done.stderr
    assert DeadLetter.objects.count() == left
    assert ("3 thrown away" in done.stdout) == (left == 0)


def test_a_purge_takes_what_it_names_and_its_history() -> None:
    """The others stay."""
    give_up("one", "two")
    assert _call("replay", "one").exit_code == 0
    assert _call("purge", "one", "--yes").exit_code == 0
    assert (DeadLetter.objects.get().task_id, Replay.objects.count()) == ("two", 0)


def test_with_the_broker_away_there_is_what_was_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a word about it, with exit code 3; collecting itself is refused."""
    give_up("1")
    collect.collect_once()

    def away() -> int:
        raise NotCollectedError("batch.dead: no leader")

    monkeypatch.setattr(collect, "collect_once", away)
    done = _call("list")
    assert done.exit_code == 3
    assert "1 to 1 of 1" in done.stdout
    assert done.stderr == "not all is here; what was given up since is still with the broker: batch.dead: no leader\n"
    assert json.loads(_call("list", "--json").stdout)["notes"]
    refused = _call("collect")
    assert (refused.exit_code, refused.stderr) == (1, "BROKER_URL: batch.dead: no leader\n")


def test_collecting_says_how_many() -> None:
    """Once."""
    give_up("1", "2")
    assert (_call("collect").stdout, _call("collect").stdout) == ("2 collected\n", "0 collected\n")


def test_a_database_that_does_not_answer_is_one_line(broker: "Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable to look at; the letters stay with the broker."""
    give_up("1")

    def lost(*_: object) -> int:
        raise OperationalError("connection refused\n")

    monkeypatch.setattr(collect, "keep", lost)
    done = _call("list")
    assert done.exit_code == 1
    assert done.stderr == ("DATABASE_URL: connection refused; is it up, and was `python manage.py migrate` run?\n")
    assert len(broker.keys("*default.dead")) == 1
