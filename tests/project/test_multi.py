"""`celery multi` with the derived options: the same groups, started and stopped without losing a task."""

from pathlib import Path

import psutil

from tests.project.probe import GROUPS
from tests.project.running import Project, wait_for

_CODE = """\
import contextlib, io, subprocess, sys
from pathlib import Path
from config.env import environment
from workers.derive.multi import multi_arguments
from workers.local.redis_server import embedded_redis
from probe.tasks import {groups}

def multi(verb):
    arguments = multi_arguments(verb, topology(), pid_dir=Path({folder!r}), log_dir=Path({folder!r}))
    subprocess.run([sys.executable, "-m", "celery", "multi", *arguments], check=True, capture_output=True)

with embedded_redis(environment().broker_url.get_secret_value(), Path(".local/redis")):
    multi("start")
    pids = [where.where.delay().get(timeout=60) for where in ({groups})]
    last = [where.leave.delay({folder!r} + "/" + where.__name__, 2) for where in ({groups})]
    for where in ({groups}): where.where.delay()
    import time; time.sleep(1)
    multi("stopwait")
    answer = [pids, sorted(file.name for file in Path({folder!r}).glob("probe.*"))]
"""


def test_every_group_runs_as_a_node_and_stops_when_its_tasks_are_done(probed: Project, tmp_path: Path) -> None:
    """`stopwait` waits, unlike `stop`; no pid file and no process is left."""
    pids, traces = probed.ask(_CODE.format(groups=", ".join(GROUPS), folder=str(tmp_path)))
    assert len(pids) == len(GROUPS)
    assert traces == sorted(f"probe.tasks.{group}" for group in GROUPS)
    assert not list(tmp_path.glob("*.pid"))
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in pids), "the end of every worker")
