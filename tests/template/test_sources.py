"""The template works however it is named, and a project made by cruft is brought up to date by cruft."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.template.rendering import cookiecutter, generated, git, run

MARKER = "systemd/marker.txt"


@pytest.fixture
def marked(repository: Path, tmp_path: Path) -> Path:
    """A repository with a static folder: whether that arrives says whether the template's root was found."""
    copy = tmp_path / "celery-prod"
    shutil.copytree(repository, copy)
    (copy / MARKER).parent.mkdir(exist_ok=True)
    (copy / MARKER).write_text("one", encoding="utf-8")
    git(copy, "add", "--all")
    git(copy, "commit", "--quiet", "--message", "A marker")
    return copy


def as_archive(checkout: Path) -> Path:
    """A zip as a forge offers it for download: one folder, no history."""
    folder = checkout.parent / "unpacked" / "celery-prod-main"
    shutil.copytree(checkout, folder, ignore=shutil.ignore_patterns(".git"))
    return Path(shutil.make_archive(str(checkout.parent / "main"), "zip", folder.parent, folder.name))


NAMES: dict[str, Callable[[Path], tuple[str | Path, Path]]] = {
    "absolute": lambda checkout: (checkout, checkout.parent),
    "relative": lambda checkout: (checkout.name, checkout.parent),
    "dot_relative": lambda checkout: (f"./{checkout.name}", checkout.parent),
    "parent": lambda checkout: (Path("..", checkout.name), checkout),
    "here": lambda checkout: (".", checkout),
    "git_url": lambda checkout: (f"git+{checkout.as_uri()}", checkout.parent),
    "zip": lambda checkout: (as_archive(checkout), checkout.parent),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_template_is_found_by_any_name(name: str, marked: Path, tmp_path: Path) -> None:
    """The static folders and the commit come from the template itself, not from wherever it was called."""
    template, cwd = NAMES[name](marked)
    home = tmp_path / "home"
    project = generated(cookiecutter(template, home, {}, cwd=cwd), home)
    assert (project / MARKER).read_text(encoding="utf-8") == "one"
    commit = "unknown (it was not a git checkout)" if name == "zip" else git(marked, "rev-parse", "HEAD")
    assert f"commit {commit}." in (project / "README.md").read_text(encoding="utf-8")


def test_an_archive_inside_another_checkout_does_not_take_its_commit(marked: Path, tmp_path: Path) -> None:
    """What is unpacked inside somebody's repository has no commit: that repository's would be a false one."""
    shutil.rmtree(marked / ".git")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "Something else")
    project = generated(cookiecutter(marked, tmp_path / "home", {}), tmp_path / "home")
    assert "commit unknown (it was not a git checkout)." in (project / "README.md").read_text(encoding="utf-8")
    assert (project / MARKER).exists()


def test_changes_that_are_not_committed_are_told(marked: Path, tmp_path: Path) -> None:
    """A commit that does not say what was rendered is marked."""
    (marked / MARKER).write_text("two", encoding="utf-8")
    project = generated(cookiecutter(marked, tmp_path / "home", {}), tmp_path / "home")
    assert f"commit {git(marked, 'rev-parse', 'HEAD')}-dirty." in (project / "README.md").read_text(encoding="utf-8")


def test_cookiecutter_called_from_a_git_hook_leaves_that_repository_alone(marked: Path, tmp_path: Path) -> None:
    """Git's own variables, set inside its hooks, do not lead the new project's commit astray."""
    before = git(marked, "log", "--format=%H")
    command = (sys.executable, "-m", "cookiecutter", "--no-input", "--output-dir", tmp_path / "out", marked)
    inside = {"GIT_DIR": str(marked / ".git"), "GIT_INDEX_FILE": str(marked / ".git" / "index")}
    done = run(command, tmp_path, **inside)
    assert done.returncode == 0, done.stderr
    assert git(marked, "log", "--format=%H") == before
    assert git(tmp_path / "out" / "corner_shop", "rev-list", "--count", "HEAD") == "1"


def test_cruft_updates_a_project_and_leaves_its_secrets(marked: Path, tmp_path: Path) -> None:
    """A change of the template arrives, in static folders as well; `.env` stays as it is."""
    cruft = (sys.executable, "-m", "cruft")
    created = run((*cruft, "create", str(marked), "--no-input", "--output-dir", str(tmp_path)), tmp_path)
    assert created.returncode == 0, created.stdout + created.stderr
    project = tmp_path / "corner_shop"
    secrets = (project / ".env").read_bytes()
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Made by cruft")

    (marked / MARKER).write_text("two", encoding="utf-8")
    git(marked, "commit", "--quiet", "--all", "--message", "A newer template")
    updated = run((*cruft, "update", "--skip-apply-ask"), project)
    assert updated.returncode == 0, updated.stdout + updated.stderr
    assert (project / MARKER).read_text(encoding="utf-8") == "two"
    assert git(marked, "rev-parse", "HEAD") in (project / "README.md").read_text(encoding="utf-8")
    assert (project / ".env").read_bytes() == secrets
    assert json.loads((project / ".cruft.json").read_text(encoding="utf-8"))["commit"] == git(
        marked, "rev-parse", "HEAD"
    )
    assert not list(project.rglob("*.rej"))
