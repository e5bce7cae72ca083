"""What the whole local project holds in memory when nothing happens."""

import time
from pathlib import Path

import psutil

from benchmarks.figures import Figure
from demo.project import Project

#: Seconds after readiness: imports are done, caches are warm, nothing runs.
SETTLED = 15


def measure(project: Project) -> list[Figure]:
    """Proportional set size of every process, summed: shared pages count once."""
    with project.up() as process:
        project.wait_until_ready(process, lambda _line: None)
        time.sleep(SETTLED)
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        total = sum(_pss(each.pid) for each in family)
    name = f"idle memory of the whole local project, {len(family)} processes"
    return [Figure(name, f"{total} MB (PSS)", "600 MB", f"{SETTLED} s after it was ready")]


def _pss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) // 1024
