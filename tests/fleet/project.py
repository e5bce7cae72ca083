"""The project that is rolled out: as generated, with fewer slots; committed, because releases are made of commits."""

import re
import shutil
from pathlib import Path
from typing import Final

from tests.brokers.observers import project as observed
from tests.project.running import Project
from tests.template.rendering import ROOT, cookiecutter, generated, git

NAME: Final = "corner"
ENVIRONMENT: Final = "production"
#: Where the site answers; hosts and clients find the name in /etc/hosts, nothing asks a name server.
SITE: Final = "corner.example.com"
#: Two cores carry eleven hosts: as few slots as show that there are several.
SIZES: Final = """\
host: {cpus: 2, memory: 7900}
web: {processes: 2, threads: 4}
groups:
  default: {concurrency: 2}
  priority: {concurrency: 2}
  batch: {concurrency: 1}
  ml: {concurrency: 1}
"""
#: The environment of `make ansible`, made once by the template's Makefile.
ANSIBLE: Final = ROOT / "build/ansible-venv"


def make(folder: Path) -> Project:
    """Render the template as it is now into `folder`, in place of what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    answers = {"project_name": "Corner", "project_slug": NAME, "domain": SITE}
    root = generated(cookiecutter(ROOT, folder, answers), folder)
    (root / f"environments/{ENVIRONMENT}/sizes.yml").write_text(SIZES, encoding="utf-8")
    (root / ".venv").symlink_to(observed.python().parents[1])
    (root / ".local").mkdir(exist_ok=True)
    (root / ".local/ansible").symlink_to(ANSIBLE)
    commit(root, "Sizes of a small machine")
    return Project(root, observed.python())


def change(root: Path, file: str, pattern: str, new: str) -> None:
    """Replace what `pattern` finds in a file of the project; fails where it finds nothing."""
    path = root / file
    text, count = re.subn(pattern, new, path.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
    assert count, f"{pattern} is not in {file}"
    path.write_text(text, encoding="utf-8")


def commit(root: Path, message: str) -> None:
    """Commit everything that has changed."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message)


def undo(root: Path) -> None:
    """Go back to the commit before the last."""
    git(root, "reset", "--quiet", "--hard", "HEAD~1")
