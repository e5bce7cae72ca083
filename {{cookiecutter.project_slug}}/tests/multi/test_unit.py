"""What is written for the one unit: its drop-in, and the rotation of its logs."""

from pathlib import Path

from tests.workers.sample import changed, loaded
from workers.derive.multi import drop_in, logrotate


def test_the_drop_in_holds_the_slowest_stop_and_the_rivals(tmp_path: Path) -> None:
    """Longest task 900, soft shutdown 5, margin 30; each of the units' workers would be a node name twice."""
    rivals = " ".join(f"celery-worker-sample@{name}.service" for name in ("default", "batch-1", "batch-2", "io"))
    lines = drop_in(loaded(tmp_path, changed({"groups.batch.instances": 2}))).splitlines()
    assert lines[:6] == ["[Unit]", f"Conflicts={rivals}", f"After={rivals}", "", "[Service]", "TimeoutStopSec=935"]
    assert "MemoryDenyWriteExecute=no" not in lines


def test_one_group_that_spawns_needs_machine_code_for_all(tmp_path: Path) -> None:
    """A weakness beside the units, where only that group may."""
    assert "MemoryDenyWriteExecute=no" in drop_in(loaded(tmp_path, changed({"groups.batch.start_method": "spawn"})))


def test_logs_are_moved_away_and_never_truncated() -> None:
    """What a node writes between a copy and the truncation would be gone; as the user whose folder it is."""
    written = logrotate("shop")
    assert "/var/log/celery-multi-shop/*.log {\n    su shop shop\n" in written
    assert "    create\n" in written
    assert "copytruncate" not in written
