"""Calls Cookiecutter as a user does, in a home of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT_FOLDER = "{{cookiecutter.project_slug}}"
# The environment that `make test` made of the generated project's own locked requirements.
PROJECT_PYTHON = Path(sys.prefix).parent / "project-venv" / "bin" / "python"

# What lies about in a checkout and would be in no clone of it.
LITTER = shutil.ignore_patterns(".git", "build", "__pycache__", ".*_cache", ".venv", ".local", ".env")

Done = subprocess.CompletedProcess[str]


def run(command: Sequence[str | Path], cwd: Path, stdin: str = "", **variables: str) -> Done:
    """Run a command whose user has neither a git identity nor a configuration of Cookiecutter's."""
    home = cwd if "HOME" not in variables else Path(variables["HOME"])
    inherited = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    environment = {**inherited, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    return subprocess.run(command, cwd=cwd, env=environment, input=stdin, capture_output=True, check=False, text=True)


def cookiecutter(
    template: str | Path,
    home: Path,
    answers: Mapping[str, str],
    *options: str | Path,
    cwd: Path | None = None,
) -> Done:
    """Generate without questions into `home/projects`."""
    (home / "projects").mkdir(parents=True, exist_ok=True)
    given = [f"{question}={answer}" for question, answer in answers.items()]
    output = ("--output-dir", home / "projects")
    command = [sys.executable, "-m", "cookiecutter", "--no-input", *output, *options, template, *given]
    return run(command, cwd or home, HOME=str(home))


def generated(done: Done, home: Path) -> Path:
    """The one project that a successful call has made."""
    assert done.returncode == 0, done.stdout + done.stderr
    [project] = (home / "projects").iterdir()
    return project


def git(folder: Path, *arguments: str) -> str:
    """What git says, as somebody with a name; a laptop may lack it."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    done = run(["git", *identity, *arguments], folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def tree(folder: Path) -> set[str]:
    """Everything below a folder, by name."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
