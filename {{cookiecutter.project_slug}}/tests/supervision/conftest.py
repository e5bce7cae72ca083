"""Grounds for supervised workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.stage import Stage, stage


@pytest.fixture
def ground(tmp_path: Path, redis_server: str) -> Iterator[Stage]:
    """An empty broker for workers of the group batch."""
    with stage(tmp_path, redis_server, "batch", 4) as made:
        yield made
