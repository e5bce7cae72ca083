"""What systemd itself says of every unit that `workers units` writes."""

from typing import Final

import pytest

from rehearsal.errors import RehearsalError
from tests.systemd.app import NAME, worker
from tests.systemd.ground import Ground

#: Tenths of an exposure level: of a worker, and of any other unit. Celery's own has 92.
THRESHOLD, THRESHOLD_OTHERS = 12, 15
FOLDER: Final = "/etc/systemd/system"


@pytest.fixture(scope="module")
def units(standing: Ground) -> list[str]:
    """Every installed unit; of the template an instance for each kind of worker."""
    found = standing.app.host.run("find", FOLDER, "-maxdepth", "1", "-name", "celery-*", "-type", "f").stdout.split()
    names = [path.rpartition("/")[2] for path in found]
    return sorted({*names, *map(worker, ("batch-1", "ml", "io", "green"))} - {worker("")})


def test_systemd_finds_nothing_wrong(standing: Ground, units: list[str]) -> None:
    """No unknown key, no missing dependency, no program that is not there."""
    host = standing.app.host
    host.write(f"/etc/{NAME}/backup", "#!/bin/sh\n", mode=0o755)  # an owner's own: else its unit starts nothing
    try:
        done = host.run("systemd-analyze", "verify", *units, timeout=60)
    finally:
        host.run("rm", f"/etc/{NAME}/backup")
    assert (done.stdout, done.stderr) == ("", "")


def test_no_service_is_exposed(standing: Ground, units: list[str]) -> None:
    """The gate fails with the table of what is open."""
    workers = [unit for unit in units if "@" in unit]
    others = [unit for unit in units if unit.endswith(".service") and unit not in workers]
    assert (len(workers), len(others) >= 9) == (4, True)
    _judge(standing, THRESHOLD, workers)
    _judge(standing, THRESHOLD_OTHERS, others)


def test_the_gate_can_fail(standing: Ground) -> None:
    """The same unit without the sandbox."""
    unit = "/root/celery-worker-naked.service"
    standing.app.host.write(unit, standing.app.host.read(f"{FOLDER}/celery-beat-{NAME}.service"))
    with pytest.raises(RehearsalError, match="exit code 1"):
        _judge(standing, THRESHOLD_OTHERS, [unit])


def _judge(ground: Ground, threshold: int, services: list[str]) -> None:
    gate = ("systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={threshold}")
    ground.app.host.run(*gate, *services, timeout=60)
