"""Building: the same commit gives the same bytes, and nothing of the operator's is in them."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path, PurePosixPath

import pytest
from django.conf import settings

from config.env import BASE_DIR
from workers.release import packages
from workers.release.archive import pack
from workers.release.build import Builder, Built
from workers.release.commit import Commit, NoCommitError, is_needed

#: What a release needs of the project to collect its static files.
PARTS = ("config", "environments", "requirements", "static", "telemetry", "templates", "workers")
#: In the repository, and of no concern to a host.
SECRET = "environments/production/group_vars/all/vault.yml"


@pytest.fixture
def commit(tmp_path: Path) -> Commit:
    """The project in a repository of its own, with an inventory and a vault."""
    root = tmp_path / "project"
    for part in {*PARTS, *(app.partition(".")[0] for app in settings.PROJECT_APPS)}:
        shutil.copytree(BASE_DIR / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("manage.py", "pyproject.toml", "workers.yml"):
        shutil.copy(BASE_DIR / file, root)
    (root / SECRET).parent.mkdir(parents=True, exist_ok=True)
    (root / SECRET).write_text("of the operator")
    (root / ".gitignore").write_text("__pycache__/\n")
    (root / "manage.py").chmod(0o755)
    for step in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "One"]):
        moment = {"GIT_AUTHOR_DATE": "1790000000 +0200", "GIT_COMMITTER_DATE": "1790000000 +0200"}
        person = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *person, *step], cwd=root, env={**os.environ, **moment}, check=True)
    return Commit.find(root, "HEAD")


@pytest.fixture(autouse=True)
def _no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As uv leaves them, with its traces of the machine: to fetch the real ones takes minutes."""

    def install(_lock: Path, _platform: str, site: Path) -> None:
        for name, text in {"module.py": "x = 1\n", "bin/celery": f"#!{sys.executable} {time.time_ns()}\n"}.items():
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / name).write_text(text)
        record = f"module.py,sha256=1,6\nbin/celery,sha256={time.time_ns()},9\na.py,,\n"
        _made(site / "x.dist-info").joinpath("RECORD").write_text(record)
        (site / ".lock").touch()

    monkeypatch.setattr(packages, "_install", install)
    monkeypatch.setattr(packages, "_interpreter", lambda: None)  # a machine may have the hosts' Python, or not


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _built(commit: Commit, folder: Path) -> Built:
    return Builder(folder, "x86_64", lambda _: None).build(commit)


def _hashes(built: Built) -> list[str]:
    return [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in (built.archive, built.environment_archive)]


def test_twice_the_same_bytes(commit: Commit, tmp_path: Path) -> None:
    """Built at another time, in another place, from files of another age."""
    one = _built(commit, tmp_path / "one")
    subprocess.run("find . -path ./.git -prune -o -exec touch {} +", shell=True, cwd=commit.root, check=True)
    two = _built(Commit.find(commit.root, one.id), tmp_path / "two")
    assert _hashes(one) == _hashes(two)
    assert one.new
    assert two.new
    assert not _built(commit, tmp_path / "one").new


def test_what_is_in_it(commit: Commit, tmp_path: Path) -> None:
    """Code, static files under their hashed names; root's, as old as the commit; no vault, nothing compiled."""
    built = _built(commit, tmp_path)
    with tarfile.open(built.archive) as archive:
        entries = {entry.name: entry for entry in archive}
    assert {"manage.py", "workers/__main__.py", "staticfiles/staticfiles.json"} <= entries.keys()
    strange = (name for name in entries if "vault" in name or "__pycache__" in name or name.startswith((".", "tests")))
    assert list(strange) == []
    assert {(entry.uid, entry.uname, entry.mtime) for entry in entries.values()} == {(0, "root", 1_790_000_000)}
    assert (entries["manage.py"].mode, entries["workers.yml"].mode) == (0o755, 0o644)
    assert built.id == f"20260921T141320-{commit.name[:12]}"


def test_the_packages_hold_nothing_of_the_machine(commit: Commit, tmp_path: Path) -> None:
    """A Python of the host's, and no command that names the builder's."""
    with tarfile.open(_built(commit, tmp_path).environment_archive) as archive:
        names, python = archive.getnames(), archive.getmember("bin/python")
        record = archive.extractfile("lib/python3.13/site-packages/x.dist-info/RECORD")
        assert record is not None
        assert record.read() == b"a.py,,\nmodule.py,sha256=1,6\n"
    assert python.linkname == "/usr/bin/python3"
    assert [name for name in names if "site-packages/bin" in name or name.endswith(".lock")] == []


def test_what_is_not_committed_is_not_in_it(commit: Commit, tmp_path: Path) -> None:
    """And is named."""
    (commit.root / "workers.yml").write_text("changed")
    (commit.root / "new.py").touch()
    assert commit.uncommitted() == ["M workers.yml", "?? new.py"]
    with tarfile.open(_built(commit, tmp_path).archive) as archive:
        content = archive.extractfile("workers.yml")
        assert content is not None
        assert content.read() != b"changed"


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("workers/__main__.py", True),
        ("systemd/sandbox.conf", True),
        ("environments/production/sizes.yml", True),
        ("environments/production/inventory.yml", False),
        (SECRET, False),
        ("ansible/site.yml", False),
        ("tests/conftest.py", False),
        (".env.example", False),
    ],
)
def test_what_hosts_need(path: str, needed: bool) -> None:
    """The release is for hosts; inventories and vaults are the operator's."""
    assert is_needed(PurePosixPath(path)) == needed


def test_packages_have_a_name_for_each_lock_and_machine(tmp_path: Path) -> None:
    """So a host gets them only when they change."""
    lock, other = tmp_path / "base.txt", tmp_path / "other.txt"
    lock.write_text("django==5.2")
    other.write_text("django==5.3")
    names = [packages.Packages(*each).name for each in ((lock, "x86_64"), (lock, "aarch64"), (other, "x86_64"))]
    assert len({*names, packages.Packages(lock, "x86_64").name}) == 3


def test_without_a_repository(tmp_path: Path) -> None:
    """Says what a release is made from."""
    with pytest.raises(NoCommitError, match=f"a release is made from a commit of {tmp_path}"):
        Commit.find(tmp_path, "HEAD")


def test_whoever_builds_files_are_roots(tmp_path: Path) -> None:
    """On hosts there is no such user. Seen only where root builds: nobody else has files of two users."""
    folder = tmp_path / "folder"
    _made(folder).joinpath("file").touch()
    if os.geteuid() == 0:
        os.chown(folder / "file", 1234, 1234)
    pack(folder, tmp_path / "archive.tar.gz", time=0)
    with tarfile.open(tmp_path / "archive.tar.gz") as archive:
        assert [(entry.uid, entry.gid, entry.uname) for entry in archive] == [(0, 0, "root")]


def test_with_the_hosts_python_packages_are_compiled(
    commit: Commit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no host has to: a file of its own for each, which is not compared with the source any more."""
    monkeypatch.setattr(packages, "_interpreter", lambda: sys.executable)
    with tarfile.open(_built(commit, tmp_path).environment_archive) as archive:
        [compiled] = [name for name in archive.getnames() if name.endswith(".pyc")]
        content = archive.extractfile(compiled)
        assert content is not None
        assert int.from_bytes(content.read()[4:8], "little") == 1
