"""What its owner does first with a new project, and what its owner does last with the shop."""

import re
import sys

import pytest

from tests.project.running import Project

#: Minutes of schedulers and workers, which the first test below has seen; they import nothing of the shop (the last).
WITHOUT_PROCESSES = [f"--ignore=tests/{folder}" for folder in ("beat", "delivery", "multi", "supervision", "telemetry")]


def test_its_own_checks_and_tests_pass(installed: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """Lint, types, topology, Django's checks and the tests, as `make check` and `make test` run them."""
    checked, tested = installed.make("check"), installed.make("test")
    assert checked.returncode == 0, checked.stdout[-6000:] + checked.stderr
    assert tested.returncode == 0, tested.stdout[-6000:] + tested.stderr
    assert re.search(r"\d+ passed", tested.stdout)
    [coverage] = re.findall(r"coverage of workers/.*", tested.stdout)
    with capsys.disabled():
        sys.stdout.write(f"\nthe generated project's own tests: {coverage}\n")


def test_a_project_without_the_shop_works(shopless: Project) -> None:
    """Topology, Django's checks, its remaining tests, and a start page where the shop was."""
    for entry in (("-m", "workers", "check"), ("manage.py", "check"), ("-m", "pytest", "-q", "-x", *WITHOUT_PROCESSES)):
        done = shopless.run(*entry)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    with shopless.up(4) as up:
        assert up.get("/") == 200
        assert up.stop() == 0


def test_nothing_outside_the_shop_imports_it(installed: Project) -> None:
    """Or its deletion would break something."""
    for file in installed.root.rglob("*.py"):
        inside = file.relative_to(installed.root).parts
        if inside[0] in (".venv", "shop") or inside[:2] == ("tests", "shop"):
            continue
        assert not re.search(r"^\s*(from|import) shop\b", file.read_text(), re.MULTILINE), file
