"""The smoke test says which group does not work, where to look, and that all is well where it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from shop.catalogue import read
from shop.smoke import CATALOGUE, Site, Smoke, SmokeError, png

Answers = dict[str, list[Mapping[str, Any]]]


def state(name: str, *, finished: bool) -> dict[str, Any]:
    """Something the shop was given, some way on."""
    return {"id": 7, "state": name, "finished": finished}


def sound() -> Answers:
    """What a shop that works answers, in turn; the last answer for ever."""
    return {
        "/readyz": [{"ready": True}],
        "/api/imports": [state("waiting", finished=False)],
        "/api/imports/7": [state("running", finished=False), state("done", finished=True)],
        "/api/orders": [state("placed", finished=False)],
        "/api/orders/7": [state("paid", finished=False), state("confirmed", finished=True)],
        "/api/slips": [state("waiting", finished=False)],
        "/api/slips/7": [state("read", finished=True)],
    }


class Played(Site):
    """A site whose answers are written down."""

    def __init__(self, answers: Answers) -> None:
        super().__init__("https://shop.example.com", ["10.0.0.1", "10.0.0.2"], "token", "")
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    def call(self, method: str, path: str, body: bytes = b"", kind: str = "", address: str = "") -> Mapping[str, Any]:
        """The next answer."""
        assert method == ("POST" if body else "GET"), kind
        self.asked.append((path, address))
        if path not in self.answers:
            raise SmokeError(f"{address} does not answer GET {path}: refused")
        left = self.answers[path]
        return left.pop(0) if len(left) > 1 else left[0]


def run(answers: Answers, seconds: float = 5) -> tuple[list[str], Played]:
    """One run against these answers."""
    site = Played(answers)
    return Smoke(site, "tok_4242", "smoke@example.org", seconds).run(), site


def test_a_shop_that_works_has_no_problem(capsys: pytest.CaptureFixture[str]) -> None:
    """Every web host is asked by itself, and every group has done something."""
    problems, site = run(sound())
    assert problems == []
    assert {address for path, address in site.asked if path == "/readyz"} == {"10.0.0.1", "10.0.0.2"}
    said = capsys.readouterr().out
    assert [group for group in ("web:", "batch:", "priority, default:", "ml:") if group not in said] == []


@pytest.mark.parametrize(
    ("path", "stuck", "group"),
    [
        ("/api/imports/7", "waiting", "batch"),
        ("/api/orders/7", "placed", "priority"),
        ("/api/orders/7", "paid", "default"),
        ("/api/slips/7", "waiting", "ml"),
    ],
)
def test_a_group_that_does_nothing_is_named(path: str, stuck: str, group: str) -> None:
    """An order that stays placed waits for its charge, a paid one for its letter."""
    problems, _ = run({**sound(), path: [state(stuck, finished=False)]}, seconds=3)
    assert problems == [
        f"{path} is still {stuck}: nothing of the group {group} has worked on it in time; look at `systemctl status 'celery-worker-*@{group}*'` on its hosts"
    ]


def test_work_that_ended_badly_is_one() -> None:
    """A card that is declined is no test card."""
    problems, _ = run({**sound(), "/api/orders/7": [state("declined", finished=True)]})
    assert problems == [
        '/api/orders/7 ended as declined, not confirmed: {"id": 7, "state": "declined", "finished": true}'
    ]


def test_a_host_that_does_not_answer_is_named() -> None:
    """And everything else is tried nevertheless."""
    answers = sound()
    del answers["/readyz"]
    problems, site = run(answers)
    assert problems == [f"10.0.0.{number} does not answer GET /readyz: refused" for number in (1, 2)]
    assert "/api/slips/7" in [path for path, _ in site.asked]


def test_its_catalogue_and_its_picture_are_sound(tmp_path: Path) -> None:
    """The shop would refuse them otherwise, and the fault would be looked for elsewhere."""
    assert [row.problem for row in read(CATALOGUE.encode())] == [""]
    file = tmp_path / "smoke.png"
    file.write_bytes(png(384, 64))
    with Image.open(file) as image:
        image.load()
        assert (image.format, image.size, image.getextrema()) == ("PNG", (384, 64), (255, 255))
