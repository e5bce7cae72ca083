"""One project installed as its owner would, and copies of it that share its environment."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.processes import base_python
from tests.project.probe import GROUPS, add_probe, remove_shop
from tests.project.running import Project, Up
from tests.template.rendering import ROOT, cookiecutter, generated

#: Answers of somebody's own: not the defaults, and not only ASCII.
ANSWERS = {"project_name": "Krämer & Söhne", "project_slug": "kraemer", "broker": "redis", "timezone": "Europe/Vienna"}
MADE_BY_INSTALLING = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache")
MADE_BY_RUNNING = shutil.ignore_patterns("db.sqlite3*", "redis", "up.log")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project made with ANSWERS, after its own `make install`."""
    home = tmp_path_factory.mktemp("installed")
    root = generated(cookiecutter(ROOT, home, ANSWERS), home)
    project = Project(root, root / ".venv/bin/python")
    done = project.make("install", f"PYTHON={base_python()}")
    assert done.returncode == 0, done.stdout + done.stderr
    project.use_free_ports()
    return project


def not_copied(folder: str, names: list[str]) -> set[str]:
    """What a copy makes anew. In .local only does `redis` mean data: workers/brokers/redis is code."""
    data = MADE_BY_RUNNING(folder, names) if Path(folder).name == ".local" else set()
    return MADE_BY_INSTALLING(folder, names) | data


def copied(project: Project, folder: Path) -> Project:
    """The same project elsewhere, with data and ports of its own."""
    shutil.copytree(project.root, folder, ignore=not_copied, symlinks=True)
    (folder / ".env").unlink()
    copy = Project(folder, project.python)
    assert copy.run("config/dotenv.py").returncode == 0
    copy.use_free_ports()
    return copy


@pytest.fixture
def scratch(installed: Project, tmp_path: Path) -> Project:
    """A copy for one test to break."""
    return copied(installed, tmp_path / "project")


@pytest.fixture(scope="session")
def shopless(installed: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy without the shop."""
    project = copied(installed, tmp_path_factory.mktemp("shopless") / "project")
    remove_shop(project.root)
    return project


@pytest.fixture(scope="session")
def probed(shopless: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy with the probe's tasks in six groups on four kinds of pool."""
    project = copied(shopless, tmp_path_factory.mktemp("probed") / "project")
    add_probe(project.root)
    return project


@pytest.fixture(scope="module")
def running(probed: Project) -> Iterator[Up]:
    """The probed project, up."""
    with probed.up(len(GROUPS)) as up:
        yield up
