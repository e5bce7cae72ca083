"""`workers units`: what it writes, what it leaves alone, and what systemd is told of each worker."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.workers.sample import changed, loaded
from workers.commands.units import units
from workers.derive import units as derived
from workers.derive.units import UNITS, installed_name
from workers.systemd.files import MARK
from workers.topology import topology

PROJECT = topology().project
SYSTEMD = "etc/systemd/system"
OWN = "# Somebody's own.\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with a unit and a drop-in of its owner's."""
    drop_ins = tmp_path / SYSTEMD / f"celery-web-{PROJECT}.service.d"
    drop_ins.mkdir(parents=True)
    (drop_ins / "90-own.conf").write_text(OWN)
    (tmp_path / SYSTEMD / f"celery-report-{PROJECT}.service").write_text(OWN)
    return tmp_path


def called(root: Path, *options: str) -> Result:
    """`workers units --root ROOT`, in the sizes of production."""
    return CliRunner().invoke(units, ["--root", str(root), "--environment", "production", *options])


def text(tmp_path: Path, name: str, changes: dict[str, Any] | None = None) -> str:
    """A file of SYSTEMD as the sample topology, changed, has it."""
    return derived.units(loaded(tmp_path, changed(changes or {})))[UNITS / name]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("celery-worker-@.service", "celery-worker-shop@.service"),
        ("celery-web-.socket", "celery-web-shop.socket"),
        ("celery-.target", "celery-shop.target"),
    ],
)
def test_a_unit_is_installed_under_its_projects_name(source: str, name: str) -> None:
    """There it is %j, and the worker %i: so no unit names a project."""
    assert installed_name(source, "shop") == name


def test_a_second_run_changes_nothing(root: Path) -> None:
    """A deploy runs it each time."""
    first = called(root)
    assert first.exit_code == 0
    assert f"new      /{SYSTEMD}/celery-{PROJECT}.target" in first.output
    assert first.output.endswith("systemctl daemon-reload\n")
    assert called(root).output.endswith(" files, nothing to change\n")
    assert called(root, "--check").exit_code == 0


def test_every_service_has_the_sandbox(root: Path) -> None:
    """One that was forgotten would run as root."""
    called(root)
    services = [file for file in (root / SYSTEMD).glob("celery-*.service") if MARK[:20] in file.read_text()]
    assert len(services) >= 8
    assert all((Path(f"{service}.d") / "10-sandbox.conf").exists() for service in services)


def test_check_and_diff_write_nothing(root: Path) -> None:
    """Somebody looks before a deploy."""
    checked = called(root, "--check")
    assert checked.exit_code == 1
    assert not (root / SYSTEMD / f"celery-{PROJECT}.target").exists()
    called(root)
    unit = root / SYSTEMD / f"celery-{PROJECT}.target"
    unit.write_text(unit.read_text().replace("WantedBy=multi-user.target", "WantedBy=basic.target"))
    shown = called(root, "--check", "--diff").output
    assert f"changed  /{SYSTEMD}/celery-{PROJECT}.target" in shown
    assert "-WantedBy=basic.target\n+WantedBy=multi-user.target\n" in shown
    assert "basic.target" in unit.read_text()


def test_what_is_no_longer_wanted_goes_with_the_links_that_enabled_it(root: Path) -> None:
    """A group that was taken out of workers.yml; systemd would go on starting it."""
    called(root)
    gone = root / SYSTEMD / f"celery-{PROJECT}-gone.target"
    drop_in = root / SYSTEMD / f"celery-worker-{PROJECT}@gone.service.d/50-topology.conf"
    link = root / SYSTEMD / f"celery-{PROJECT}.target.wants" / gone.name
    for file in (gone, drop_in):
        file.parent.mkdir(exist_ok=True)
        file.write_text(MARK.format(project=PROJECT))
    link.parent.mkdir()
    link.symlink_to(gone)
    said = called(root).output
    assert f"removed  /{SYSTEMD}/{gone.name}" in said
    assert not gone.exists()
    assert not link.is_symlink()
    assert not drop_in.parent.exists()


def test_files_of_an_owner_and_of_other_projects_are_left_alone(root: Path) -> None:
    """Told by their first line, whatever they are called."""
    other = root / SYSTEMD / "celery-other.target"
    other.write_text(MARK.format(project="other"))
    called(root)
    assert (root / SYSTEMD / f"celery-web-{PROJECT}.service.d/90-own.conf").read_text() == OWN
    assert (root / SYSTEMD / f"celery-report-{PROJECT}.service").read_text() == OWN
    assert other.exists()


def test_without_rights_it_says_so(root: Path) -> None:
    """Whoever forgot sudo. A file where a folder should be stops root, too."""
    (root / "etc/tmpfiles.d").write_text("")
    refused = called(root)
    assert refused.exit_code == 1
    assert "run it as root, or name a folder of yours with --root" in refused.output


def test_a_worker_stops_within_its_groups_budget(tmp_path: Path) -> None:
    """900 + 5 + 30 seconds; all instances and the spare alike."""
    two = {"groups.batch.instances": 2}
    for worker in ("batch-1", "batch-2", "batch-spare"):
        drop_in = text(tmp_path, f"celery-worker-sample@{worker}.service.d/50-topology.conf", two)
        assert "TimeoutStopSec=935\n" in drop_in
        assert "Slice=celery-sample-batch.slice\n" in drop_in
        assert "PartOf=celery-sample-batch.target\n" in drop_in


def test_memory_is_limited_above_what_the_children_may_take(tmp_path: Path) -> None:
    """2 x 1000 and 120 MiB; where nothing was said of children, nothing is guessed."""
    batch = text(tmp_path, "celery-worker-sample@batch.service.d/50-topology.conf")
    assert "MemoryHigh=2544M\nMemoryMax=2650M\n" in batch
    assert "Memory" not in text(tmp_path, "celery-worker-sample@io.service.d/50-topology.conf")


def test_only_spawned_children_may_make_machine_code(tmp_path: Path) -> None:
    """numba, torch and CUDA do so; nobody else needs to."""
    name = "celery-worker-sample@batch.service.d/50-topology.conf"
    assert "MemoryDenyWriteExecute" not in text(tmp_path, name)
    assert "MemoryDenyWriteExecute=no\n" in text(tmp_path, name, {"groups.batch.start_method": "spawn"})


def test_a_group_has_its_share_and_starts_as_one(tmp_path: Path) -> None:
    """The slice carries the weights; the target starts all of the group's workers."""
    several = {"groups.batch.instances": 2, "groups.batch.cpu_weight": 40, "groups.batch.io_weight": 30}
    assert text(tmp_path, "celery-sample-batch.slice", several).endswith("CPUWeight=40\nIOWeight=30\n")
    wants = "Wants=celery-worker-sample@batch-1.service celery-worker-sample@batch-2.service\n"
    assert wants in text(tmp_path, "celery-sample-batch.target", several)
