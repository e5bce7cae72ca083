"""A generated project whose `priority` and `default` groups run the observed task, as production would run it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.brokers.cluster import Cluster
from tests.project.probe import add_probe, remove_shop
from tests.project.running import Project
from tests.template.rendering import PROJECT_PYTHON, ROOT, cookiecutter, generated

#: The group that is measured, and that of the worker started during a fault; stock Celery's queues for the same.
MAIN, SIDE = "priority", "default"
STOCK_QUEUES: Final = {MAIN: "main", SIDE: "side"}
NAME: Final = "observed"
#: Seconds; it is bounded itself, well below.
DECLARE_WITHIN: Final = 120

#: What staging demands beside the brokers. Nothing connects to the database: the observed task does not use it.
_VARIABLES: Final = {
    "ENVIRONMENT": "staging",
    "SECRET_KEY": "of-a-project-that-lives-for-a-minute-and-guards-nothing-at-all",
    "ALLOWED_HOSTS": "shop.example.com",
    "SITE_URL": "https://shop.example.com",
    "DATABASE_URL": "postgres://observed:unused@127.0.0.1:9/observed",
    "FLOWER_USER": "observed",
    "FLOWER_PASSWORD": "unused-unused-unused",
    "FLOWER_COOKIE_SECRET": "unused-unused-unused-unused-unused-unused",
    "EMAIL_HOST": "localhost",
    "DEFAULT_FROM_EMAIL": "observed@shop.example.com",
    "LOG_FORMAT": "json",
}


def make(folder: Path) -> Project:
    """Render the template as it is now into `folder`, in place of what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    answers = {"project_name": NAME, "project_slug": NAME, "init_git": "no"}
    root = generated(cookiecutter(ROOT, folder, answers), folder)
    remove_shop(root)
    add_probe(root)
    task = (ROOT / "tests/brokers/observers/tasks.py").read_text(encoding="utf-8")
    for group in (MAIN, SIDE):
        (root / f"probe/tasks/{group}.py").write_text(task, encoding="utf-8")
    return Project(root, python())


def python() -> Path:
    """The Python with the generated project's packages: that of `make test`, or else the one that runs this."""
    return PROJECT_PYTHON if PROJECT_PYTHON.exists() else Path(sys.executable)


def declare(project: Project, cluster: Cluster) -> None:
    """What a deploy does before anything starts: declare the queues of every group.

    Raises RuntimeError with what the command said.
    """
    command = cluster.fleet.command(str(project.python), "-m", "workers", "brokers", "declare")
    variables = environment(project, cluster.links("deploy"))
    done = subprocess.run(
        command, cwd=project.root, env=variables, capture_output=True, text=True, check=False, timeout=DECLARE_WITHIN
    )
    if done.returncode:
        raise RuntimeError(f"`workers brokers declare` ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def environment(project: Project, links: Mapping[str, str]) -> dict[str, str]:
    """What a process of `project` finds in staging, with the brokers that `links` name."""
    inherited = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    own = {"DATA_DIR": str(project.root), "PYTHONPATH": f"{project.root}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**inherited, **_VARIABLES, **own, **links}
