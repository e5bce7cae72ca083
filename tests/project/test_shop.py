"""The shop of a generated project, at work: real orders, a catalogue, slips, a newsletter and a report."""

import re
from collections.abc import Iterator

import pytest

from tests.project.running import Project, Up

WORKERS = 4


@pytest.fixture(scope="module")
def shop(installed: Project) -> Iterator[Up]:
    """The project with its shop, up."""
    with installed.up(WORKERS) as up:
        yield up


def test_work_in_every_group_is_done_and_reported(shop: Up) -> None:
    """`manage.py demo` fails where a task did not finish; its report names each group."""
    done = shop.project.run("manage.py", "demo", "--orders", "60")
    assert done.returncode == 0, done.stdout + done.stderr
    for group in ("default", "priority", "batch", "ml"):
        tasks = re.search(rf"(?m)^ *{group} +(\d+) ", done.stdout)
        assert tasks, done.stdout
        assert int(tasks[1]) > 0


def test_the_model_is_loaded_once_a_child(shop: Up) -> None:
    """Dozens of slips were read above by the one child of the group; scikit-learn takes a second to import."""
    assert shop.text.count("model_loaded") == 1


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/login/", "/admin/login/"])
def test_pages_answer(shop: Up, path: str) -> None:
    """As a browser would ask."""
    assert shop.get(path) == 200


def test_no_argument_that_is_not_public_stands_in_the_log(shop: Up) -> None:
    """Sixty customers ordered: none of their addresses is there."""
    assert not re.findall(r"[\w.+-]+@example\.\w+", shop.text)
