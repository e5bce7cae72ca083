"""A child is forked between two looks of the watchdog's thread: it inherits no lock that nobody can release."""

import subprocess
import sys

#: A thread looks for half a second; the main thread forks in the middle of it.
CODE = """
import os, threading, time
from workers.supervision import watchdog

looks = threading.Event()
def look():
    with watchdog._looking:
        looks.set()
        time.sleep(0.5)
        ended.append(time.monotonic())

ended = []
threading.Thread(target=look).start()
looks.wait()
child = os.fork()
if child == 0:
    os._exit(0 if ended and watchdog._looking.acquire(timeout=1) else 1)
_, status = os.waitpid(child, 0)
assert watchdog._looking.acquire(timeout=1)
raise SystemExit(os.waitstatus_to_exitcode(status))
"""


def test_a_fork_waits_for_the_look_that_is_under_way() -> None:
    """And both the parent and the child may look then."""
    assert subprocess.run([sys.executable, "-c", CODE], check=False, timeout=60).returncode == 0
