"""The solo pool: for a debugger on a developer's machine, and nowhere else."""

from tests.project.running import Project

_CODE = """\
import subprocess, sys
from pathlib import Path
from config.env import environment
from probe.tasks import batch
from workers.local.redis_server import embedded_redis

with embedded_redis(environment().broker_url.get_secret_value(), Path(".local/redis")):
    worker = subprocess.Popen([sys.executable, "-m", "workers", "run", "batch", "--solo"])
    answer = [batch.where.delay().get(timeout=60), worker.pid]
    worker.terminate()
    worker.wait(60)
"""


def test_solo_runs_tasks_in_the_main_process(probed: Project) -> None:
    """Where a breakpoint has a terminal."""
    task, worker = probed.ask(_CODE)
    assert task == worker


def test_solo_is_refused_elsewhere(probed: Project) -> None:
    """It never acknowledges early, and runs a long task again and again."""
    done = probed.run("-m", "workers", "run", "batch", "--solo", ENVIRONMENT="staging")
    assert done.returncode == 1
    assert "--solo is refused in staging" in done.stderr
