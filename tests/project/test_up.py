"""`workers up`: starts everything or says why not, and leaves nothing behind."""

import signal
import socket
from pathlib import Path

import psutil

from tests.project.probe import GROUPS
from tests.project.running import Project, wait_for


def test_ctrl_c_lets_running_tasks_finish_and_leaves_no_process(probed: Project, tmp_path: Path) -> None:
    """One task sleeps in each pool when the signal comes; each leaves its trace, and the exit code is 0."""
    traces = {group: tmp_path / group for group in GROUPS}
    with probed.up(len(GROUPS)) as up:
        probed.ask(
            f"from probe.tasks import {', '.join(GROUPS)}\n"
            + "\n".join(f"{group}.leave.delay({str(trace)!r}, 3)" for group, trace in traces.items())
            + "\nimport time\ndeadline = time.monotonic() + 60\n"
            f"while sum(map(len, app.control.inspect(timeout=2).active().values())) < {len(GROUPS)}:\n"
            "    assert time.monotonic() < deadline\n"
            "answer = 0"
        )
        assert up.stop() == 0
    assert {group: trace.exists() and trace.read_text() for group, trace in traces.items()} == dict.fromkeys(
        GROUPS, "done"
    )
    assert up.left() == []
    order = [up.text.index(f"{name} stopped (rc=0)") for name in ("beat", "web", "batch", "flower")]
    assert order == sorted(order)


def test_ctrl_c_does_not_wait_for_a_flower_that_hangs(probed: Project) -> None:
    """It has no work to finish; with its Redis gone it was seen to try that again for minutes instead of ending."""
    with probed.up(len(GROUPS)) as up:
        [flower] = [each for each in up.process.children(recursive=True) if "flower" in each.cmdline()]
        flower.suspend()
        assert up.stop() == 0
    assert "flower did not stop in time; killing" in up.text
    assert up.left() == []


def test_killed_outright_it_leaves_no_process(probed: Project) -> None:
    """Kill -9 cannot be caught: the kernel ends the children."""
    with probed.up(len(GROUPS)) as up:
        up.remember()
        up.process.send_signal(signal.SIGKILL)
        up.process.wait()
        wait_for(lambda: not up.left(), "the end of every process")


def test_a_process_that_ends_by_itself_ends_the_run(probed: Project) -> None:
    """A half-running project would only puzzle; the line names who went."""
    with probed.up(len(GROUPS)) as up:
        [beat] = [each for each in up.process.children(recursive=True) if "beat" in each.cmdline()]
        beat.send_signal(signal.SIGKILL)
        assert up.process.wait(90) == 1
        assert "beat ended by itself; stopping the others" in up.text
        assert up.left() == []


def test_a_second_run_is_refused(probed: Project) -> None:
    """Two would share data, ports and queues."""
    with probed.up(len(GROUPS)) as up:
        second = probed.run("-m", "workers", "up")
        assert second.returncode == 1
        assert f"this project runs already (pid {up.process.pid}): stop that run first" in second.stderr


def test_a_port_in_use_is_said(scratch: Project) -> None:
    """Before anything is started."""
    with socket.create_server(("127.0.0.1", int(scratch.variable("WEB_PORT")))):
        refused = scratch.run("-m", "workers", "up")
    assert refused.returncode == 1
    assert f"port {scratch.variable('WEB_PORT')} (WEB_PORT in .env) is in use" in refused.stderr
    assert not psutil.Process().children()


def test_it_is_refused_outside_local_settings(scratch: Project) -> None:
    """An embedded Redis is no broker for anybody but a developer."""
    file = scratch.root / ".env"
    file.write_text(file.read_text().replace("ENVIRONMENT=local", "ENVIRONMENT=production"))
    refused = scratch.run("-m", "workers", "up")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
