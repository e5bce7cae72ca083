"""The generated project that the matrix runs: the probe in place of the shop, limits short enough to be waited for."""

import shutil
from pathlib import Path
from typing import Final

from tests.brokers.observers import project as observed
from tests.project.probe import GROUPS, add_probe, remove_shop
from tests.project.running import Project
from tests.template.rendering import ROOT, cookiecutter, generated

HERE: Final = Path(__file__).parent
#: Two hosts of each group, as in production, with few slots; Redis gives back what a lost host held after 45 s, which
#: must be longer than a run and a countdown.
SIZES: Final = """\
host: {cpus: 2, memory: 16384}
web: {hosts: 1}
broker: {visibility_timeout: 45}
groups:
  default: {hosts: 2, concurrency: 2, prefetch_multiplier: 2, soft_time_limit: 8, time_limit: 10, longest_countdown: 20}
  priority: {hosts: 2, concurrency: 2, soft_time_limit: 8, time_limit: 10, longest_countdown: 20}
  batch: {hosts: 2, concurrency: 2, soft_time_limit: 15, time_limit: 20, longest_countdown: 20}
  ml: {hosts: 2, concurrency: 1, soft_time_limit: 8, time_limit: 10, longest_countdown: 20}
  io: {hosts: 2, concurrency: 10, longest_run: 10, longest_countdown: 20}
  green: {hosts: 2, concurrency: 10, time_limit: 10, longest_countdown: 20}
"""


def make(folder: Path) -> Project:
    """Render the template as it is now into `folder`, in place of what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    answers = {"project_name": observed.NAME, "project_slug": observed.NAME, "init_git": "no"}
    root = generated(cookiecutter(ROOT, folder, answers), folder)
    remove_shop(root)
    add_probe(root)
    (root / "environments/staging/sizes.yml").write_text(SIZES, encoding="utf-8")
    for name in ("ledger.py", "kinds.py"):
        shutil.copy(HERE / name, root / "probe" / name)
    for name in GROUPS:
        shutil.copy(HERE / "probe/tasks.py", root / f"probe/tasks/{name}.py")
    return Project(root, observed.python())
