"""Dead letters in the admin: looked at without anybody's data, sent again by who may, changed by nobody."""

import json

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from tests.delivery.letters import give_up, message, taken
from workers.delivery.admin import letters
from workers.delivery.dead.collect import collect_once, keep
from workers.delivery.dead.inbox import Taken
from workers.delivery.dead.letter import HEADER
from workers.delivery.models import DeadLetter, Replay

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker")]
LIST = "/admin/delivery/deadletter/"


@pytest.fixture
def admin(client: Client) -> Client:
    """Somebody who may do everything."""
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def kept() -> DeadLetter:
    """A letter with arguments that are somebody's."""
    give_up("t4711")
    collect_once()
    return DeadLetter.objects.get()


def _act(client: Client, action: str, *chosen: DeadLetter) -> str:
    """What the list says after an action."""
    form = {"action": action, "_selected_action": [each.pk for each in chosen]}
    return client.post(LIST, form, follow=True).text


def test_the_list_tells_what_happened(admin: Client, kept: DeadLetter) -> None:
    """At a glance."""
    page = admin.get(LIST).text
    for shown in (kept.task, "failed", "LookupError"):
        assert shown in page


def test_a_letter_shows_no_values(admin: Client, kept: DeadLetter) -> None:
    """Types only; its traceback and its history in full."""
    page = admin.get(f"{LIST}{kept.pk}/change/").text
    assert "(&lt;str&gt;, &lt;int&gt;) {size=&lt;int&gt;, secret=&lt;str&gt;}" in page
    assert "raise LookupError(text)" in page
    assert "LookupError: no such order" in page
    assert f"given up ({kept.pk}): failed LookupError" in page
    assert not {"xyzzy", "a@b.org"} & set(page.replace("&#x27;", " ").split())


def test_what_a_letter_says_is_no_markup(admin: Client) -> None:
    """A message is anybody's; it must not run in an operator's browser."""
    claim = "<script>alert(1)</script>"
    told = dict.fromkeys(("reason", "exception", "message", "traceback", "worker"), claim)
    keep([Taken(message(task=claim, id=claim, **{HEADER: json.dumps(told)}))], "default")
    kept = DeadLetter.objects.get()
    for page in (LIST, f"{LIST}{kept.pk}/change/"):
        shown = admin.get(page).text
        assert "&lt;script&gt;alert(1)" in shown
        assert "<script>alert" not in shown


def test_letters_are_sent_again(admin: Client, kept: DeadLetter) -> None:
    """In the name of who did it; what was not sent says why."""
    page = _act(admin, "replay", kept)
    assert "1 sent again." in page
    assert Replay.objects.get().by == "boss"
    assert len(taken("default")) == 1
    assert "1 not sent: was sent again and has not come back" in _act(admin, "replay", kept)


def test_a_request_sends_a_bounded_number(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would outlast its own time limit; the command has none."""
    monkeypatch.setattr(letters, "AT_ONCE", 2)
    give_up("a", "b", "c")
    collect_once()
    page = _act(admin, "replay", *DeadLetter.objects.all())
    assert "2 sent again." in page
    assert "1 not sent: more than" in page
    assert [each.headers["id"] for each in taken("default")] == ["a", "b"]


@pytest.mark.parametrize(("permission", "may"), [("view_deadletter", False), ("replay_deadletter", True)])
def test_who_may_look_may_not_send(client: Client, kept: DeadLetter, permission: str, may: bool) -> None:
    """To send is a permission of its own."""
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=("view_deadletter", permission)))
    client.force_login(user)
    assert kept.task in client.get(LIST).text
    _act(client, "replay", kept)
    assert len(taken("default")) == may


def test_letters_are_not_changed(admin: Client, kept: DeadLetter) -> None:
    """Nor made; deleting them is what `purge` does as well."""
    assert admin.post(f"{LIST}{kept.pk}/change/", {"task": "x"}).status_code == 403
    assert admin.get(f"{LIST}add/").status_code == 403
    admin.post(LIST, {"action": "delete_selected", "_selected_action": [kept.pk], "post": "yes"})
    assert not DeadLetter.objects.exists()
