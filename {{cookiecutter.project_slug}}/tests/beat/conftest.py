"""Grounds for schedulers: SQLite as on a developer's machine, PostgreSQL as in production."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.beat.processes import Ground, ground


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print a figure although the test passes."""

    def past_capture(figure: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{figure}\n")

    return past_capture


@pytest.fixture
def ground_on(redis_server: str, tmp_path: Path) -> Iterator[Callable[[str], Ground]]:
    """Make an empty ground on a database."""
    with ExitStack() as stack:
        yield lambda database: stack.enter_context(ground(tmp_path, redis_server, database))


@pytest.fixture(autouse=True)
def _in_utc(settings: Settings) -> None:
    """Cron lines are read in the project's time zone, which is its owner's; the tests' is UTC."""
    settings.TIME_ZONE = "UTC"
