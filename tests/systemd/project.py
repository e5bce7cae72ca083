"""The generated project that runs on the hosts: the delivery's probe, and tasks that try what they must not do."""

from pathlib import Path
from typing import Final

from tests.delivery import project
from tests.project.probe import GROUPS
from tests.project.running import Project

HERE: Final = Path(__file__).parent
#: Two CPUs and six groups: as few slots as show that there are several.
SIZES: Final = """\
host: {cpus: 2, memory: 8192}
web: {hosts: 1, processes: 2, threads: 2}
broker: {visibility_timeout: 90}
groups:
  default: {hosts: 1, concurrency: 2, prefetch_multiplier: 2, soft_time_limit: 8, time_limit: 10, longest_countdown: 20}
  priority: {hosts: 1, concurrency: 2, soft_time_limit: 4, time_limit: 5, longest_countdown: 20}
  batch: {hosts: 1, instances: 2, concurrency: 2, soft_time_limit: 15, time_limit: 20, longest_countdown: 20}
  ml: {hosts: 1, concurrency: 1, soft_time_limit: 8, time_limit: 10, longest_countdown: 20}
  io: {hosts: 1, concurrency: 10, longest_run: 10, longest_countdown: 20}
  green: {hosts: 1, concurrency: 10, time_limit: 10, longest_countdown: 20}
"""


def make(folder: Path) -> Project:
    """Render the template as it is now into `folder`, in place of what is there."""
    made = project.make(folder)
    (made.root / "environments/staging/sizes.yml").write_text(SIZES, encoding="utf-8")
    parts = ("tries.py", "lasting.py", "ailing.py")
    more = "".join((HERE / "probe" / part).read_text(encoding="utf-8") for part in parts)
    for name in GROUPS:
        with (made.root / f"probe/tasks/{name}.py").open("a", encoding="utf-8") as tasks:
            tasks.write(more)
    return made
