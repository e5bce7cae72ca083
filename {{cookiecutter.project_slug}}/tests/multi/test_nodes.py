"""A pid file is believed only if its process is the node: numbers are given out again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import until
from tests.workers.sample import SOUND, loaded
from workers.multi import nodes
from workers.multi.control import Multi, MultiError
from workers.multi.nodes import HiddenError, Node, unfit


@contextmanager
def _process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *arguments]) as process:
        until(Path(f"/proc/{process.pid}/cmdline").read_bytes, "its command line: the kernel sets it a moment later")
        yield process
        process.kill()


@pytest.fixture
def multi(tmp_path: Path) -> Multi:
    """Nodes of the sound topology; what is said is kept in `said`."""
    return Multi(loaded(tmp_path, SOUND), tmp_path, tmp_path, (tmp_path / "said").write_text)


def _batch(multi: Multi) -> Node:
    [node] = multi.chosen(["batch"])
    return node


def test_a_node_that_runs_is_found(multi: Multi) -> None:
    """By its name on its command line."""
    node = _batch(multi)
    states = [node.state]
    with _process("worker", "-n", "batch@host") as process:
        node.pid_file.write_text(f"{process.pid}\n")
        states.append(node.state)
    assert [*states, node.state] == ["stopped", "running", "gone"]


@pytest.mark.parametrize("name", ["default@host", "batch-2@host", "batch"])
def test_a_number_that_is_somebody_elses_now_is_no_node(multi: Multi, name: str) -> None:
    """And gets no signal when the node is stopped; the file goes."""
    node = _batch(multi)
    with _process("worker", "-n", name) as process:
        node.pid_file.write_text(f"{process.pid}\n")
        states = [node.state]
        multi.stop([node], wait=True)
        assert process.poll() is None
    assert [*states, node.state] == ["gone", "stopped"]
    assert "which is no such node; removed" in (multi.pid_dir / "said").read_text()


def test_a_process_that_is_hidden_is_not_taken_for_dead(multi: Multi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox hides what another one started: the node would lose its pid file, and run on."""
    node = _batch(multi)
    with _process("worker", "-n", "batch@host") as process:
        node.pid_file.write_text(f"{process.pid}\n")
        monkeypatch.setattr(nodes, "PROC", multi.pid_dir / "empty")
        with pytest.raises(HiddenError, match=f"batch: process {process.pid} of .* is hidden from user"):
            multi.stop([node], wait=True)
        assert process.poll() is None
    assert node.pid_file.exists()


def test_a_file_without_a_number_is_no_node(multi: Multi) -> None:
    """Whoever wrote it died meanwhile."""
    node = _batch(multi)
    node.pid_file.write_text("")
    assert (node.state, node.pid) == ("gone", None)


def test_the_last_nodes_of_the_unit_are_its_own_business(multi: Multi, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would end with them, and systemd start all of them again; with another one left it goes on."""
    asked = list[str]()
    monkeypatch.setattr(Multi, "belongs_to_unit", True)
    monkeypatch.setattr(Multi, "_celery", lambda _self, verb, _nodes: asked.append(verb))
    with _process("worker", "-n", "batch@host") as batch, _process("worker", "-n", "io@host") as other:
        for name, process in (("batch", batch), ("io", other)):
            (multi.pid_dir / f"{name}.pid").write_text(f"{process.pid}\n")
        everybody = multi.chosen(())
        with pytest.raises(MultiError, match=r"no node left, .*; systemctl stop celery-multi-sample\.service"):
            multi.stop(everybody, wait=True)
        with pytest.raises(MultiError, match=r"no node left, .*; systemctl restart celery-multi-sample\.service"):
            multi.restart(everybody)
        assert asked == []
        multi.stop([_batch(multi)], wait=True)
    assert asked == ["stopwait"]


def test_unknown_names_are_refused_with_those_there_are(multi: Multi) -> None:
    """All at once."""
    with pytest.raises(MultiError) as refused:
        multi.chosen(["batch", "bacth", "io-2"])
    assert refused.value.reasons == (
        "workers.yml has no group and no worker 'bacth', 'io-2'; its groups: default, batch, io; its workers: default, batch, io",
    )


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started or stopped; one that is missing is made."""
    assert unfit(tmp_path / "made") is None
    (tmp_path / "file").touch()
    assert unfit(tmp_path / "file/run") == f"{tmp_path}/file/run: Not a directory"
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    assert unfit(tmp_path) == f"{tmp_path}: not writable for user {os.geteuid()}, and owned by {os.geteuid()}"
