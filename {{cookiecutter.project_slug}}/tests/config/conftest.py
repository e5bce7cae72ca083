"""Fixtures for the tests of config/."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import variables
from tests.config.samples import SetEnvironment


@pytest.fixture
def variables_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SetEnvironment]:
    """Replace the whole environment by the given variables, and `.env` by one that does not exist yet."""

    def replace(base: dict[str, str] | None = None, /, **changes: str) -> None:
        for name in os.environ:
            monkeypatch.delenv(name)
        for name, value in {**(base or {}), **changes}.items():
            monkeypatch.setenv(name, value)
        variables.forget()

    monkeypatch.setattr(variables, "DOTENV", tmp_path / ".env")
    yield replace
    monkeypatch.undo()
    variables.forget()
