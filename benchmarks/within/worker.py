"""Becomes the worker of a group, by the derived command line, with the application of one of the two sides.

Usage: worker.py GROUP layered|bare
"""

# mypy: ignore-errors
# It runs in the generated project's environment, whose libraries the template's own has not.

import os
import sys

from workers.derive.command_line import APP, worker_command
from workers.topology import topology

if __name__ == "__main__":
    _, group, side = sys.argv
    arguments = worker_command(group, topology().groups[group])
    arguments[arguments.index(APP)] = f"benchmarks.within.{side}"
    os.execv(sys.executable, [sys.executable, "-m", "celery", *arguments])
