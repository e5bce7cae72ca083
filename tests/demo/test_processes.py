"""Whatever the demo starts ends with it: asked first, killed if it does not listen, found wherever it hides."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from demo.processes import clean_environment

ROOT = Path(__file__).parents[2]

# A shell that is asked to end and does not, with a child in a session of its own; both say who they are.
STUBBORN = "trap 'echo asked' TERM INT; setsid sh -c 'echo $$; exec sleep 600' & echo $$; while :; do sleep 0.1; done"
SCRIPT = """
import sys
from pathlib import Path
from demo import processes

processes.GRACE = {grace}
processes.interrupt_on_signals()
try:
    environment = processes.clean_environment(frozenset())
    with processes.started(["sh", "-c", sys.argv[1]], Path("."), environment, None) as child:
        child.wait()
except KeyboardInterrupt:
    pass
finally:
    print("killed", len(processes.kill_leftovers()))
"""


def stubborn(grace: int) -> tuple[subprocess.Popen[str], list[int]]:
    """A small demo around a command that will not end, and the two processes it has started."""
    command = [sys.executable, "-c", SCRIPT.format(grace=grace), STUBBORN]
    demo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert demo.stdout is not None
    return demo, [int(demo.stdout.readline()), int(demo.stdout.readline())]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_does_not_listen_is_killed_with_all_it_started(number: signal.Signals) -> None:
    """Ctrl-C, `kill` and a closed terminal: not even a process in another session stays."""
    demo, started = stubborn(grace=1)
    demo.send_signal(number)
    output, _ = demo.communicate(timeout=20)
    assert not [pid for pid in started if psutil.pid_exists(pid)]
    assert output.startswith("asked\nkilled ")
    assert output.strip() != "asked\nkilled 0"


def test_a_second_ctrl_c_does_not_wait() -> None:
    """Who presses it again wants to be out now; still nothing stays."""
    demo, started = stubborn(grace=600)
    demo.send_signal(signal.SIGINT)
    assert demo.stdout is not None
    assert demo.stdout.readline() == "asked\n"
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=20)
    assert not [pid for pid in started if psutil.pid_exists(pid)]


def test_the_users_environment_does_not_steer_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DATABASE_URL of the shell's, make's flags or an active virtual environment stay outside."""
    for name in ("DATABASE_URL", "MAKEFLAGS", "VIRTUAL_ENV", "PYTHONPATH", "GIT_DIR", "DJANGO_SETTINGS_MODULE"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("LANG", "C.UTF-8")
    environment = clean_environment(frozenset({"DATABASE_URL"}))
    assert environment["LANG"] == "C.UTF-8"
    assert "x" not in environment.values()
