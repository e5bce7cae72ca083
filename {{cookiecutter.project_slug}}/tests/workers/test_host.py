"""What the topology reckons with is held against the machine it runs on, and against the pool that runs the tasks."""

from pathlib import Path
from typing import Any

import pytest

from tests.workers.sample import SOUND, loaded
from workers.derive import database
from workers.topology import Topology
from workers.topology.host import check_host


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    """The sound topology: 1320 + 2120 + 200 MiB for its three groups, hosts of 8192 MiB."""
    return loaded(tmp_path, SOUND)


def test_a_host_smaller_than_written_is_refused(topology: Topology) -> None:
    """Its workers would be killed for memory that the file promises."""
    assert [str(problem) for problem in check_host(topology, "production", 4096)] == [
        "host.memory (W14): 8192 > 4096 of this machine; lower it in this environment's sizes.yml"
    ]
    assert list(check_host(topology, "production", 8192)) == []


def test_locally_all_groups_must_fit_together(topology: Topology) -> None:
    """One machine runs them all, whatever the file says of hosts."""
    assert [str(problem) for problem in check_host(topology, "local", 3000)] == [
        "groups (W14): all groups run on this machine: default 1320 + batch 2120 + io 200 = 3640 MiB > 3000 MiB; lower concurrency or max_memory_per_child in environments/local/sizes.yml"
    ]
    assert list(check_host(topology, "local", 4000)) == []


@pytest.mark.parametrize(
    ("group", "engine", "expected"),
    [
        (None, "django.db.backends.postgresql", {"CONN_MAX_AGE": 300, "CONN_HEALTH_CHECKS": True}),
        ("batch", "django.db.backends.postgresql", {"CONN_MAX_AGE": 300, "CONN_HEALTH_CHECKS": True}),
        ("io", "django.db.backends.sqlite3", {"CONN_MAX_AGE": 300, "CONN_HEALTH_CHECKS": True}),
        (
            "io",
            "django.db.backends.postgresql",
            {
                "ENGINE": "workers.postgresql",
                "CONN_MAX_AGE": 0,
                "CONN_HEALTH_CHECKS": False,
                "OPTIONS": {"pool": {"min_size": 1, "max_size": 20, "timeout": 10}},
            },
        ),
    ],
    ids=["web", "prefork", "threads on SQLite", "threads"],
)
def test_database_options_follow_the_pool(
    monkeypatch: pytest.MonkeyPatch, topology: Topology, group: str | None, engine: str, expected: dict[str, Any]
) -> None:
    """A pool where tasks share a process, a kept connection where they do not (trap 23)."""
    monkeypatch.setattr(database, "current_group", lambda: topology.groups.get(group or ""))
    assert database.options(engine) == expected
