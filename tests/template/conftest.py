"""The template as others get it: a clean copy, and a repository with one commit."""

import shutil
from pathlib import Path

import pytest

from tests.template.rendering import LITTER, ROOT, git


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the working tree without its history: what somebody unpacks from an archive."""
    copy = tmp_path_factory.mktemp("archive") / "celery-prod"
    shutil.copytree(ROOT, copy, ignore=LITTER)
    return copy


@pytest.fixture(scope="session")
def repository(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a git repository; what is not committed yet is tested as well."""
    copy = tmp_path_factory.mktemp("repository") / "celery-prod"
    shutil.copytree(template, copy)
    git(copy, "init", "--quiet")
    git(copy, "add", "--all")
    git(copy, "commit", "--quiet", "--message", "As it is")
    return copy


@pytest.fixture(scope="session")
def source(request: pytest.FixtureRequest) -> Path:
    """The repository, or the archive on a machine without git: what to render where the difference does not matter."""
    found: Path = request.getfixturevalue("repository" if shutil.which("git") else "template")
    return found
