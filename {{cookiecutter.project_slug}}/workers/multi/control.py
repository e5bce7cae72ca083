"""Starting and stopping nodes: Celery's own `celery multi` does it, for those nodes where it is safe to be asked."""

import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.commands.service import interpreter
from workers.derive.multi import multi_arguments, nodes_of
from workers.derive.unit_names import service_unit
from workers.multi.nodes import Node, in_unit, unfit
from workers.systemd.systemctl import Systemctl
from workers.topology import Topology
from workers.topology.instances import group_of
from workers.topology.load import ROOT

#: Seconds a node has to write its pid file, on a machine where a dozen of them start at a time.
START: Final = 120
PAUSE: Final = 0.2
#: Lines of its log that a node is shown with that did not start.
SHOWN_LINES: Final = 10


class MultiError(Exception):
    """What was not done, a reason a line; nothing was changed unless the message says so."""

    def __init__(self, *reasons: str) -> None:
        self.reasons = reasons
        super().__init__("\n".join(reasons))


@dataclass(frozen=True)
class Multi:
    """The nodes of this host, in these two folders."""

    topology: Topology
    pid_dir: Path
    log_dir: Path
    say: Callable[[str], object]

    def chosen(self, names: Collection[str]) -> list[Node]:
        """The nodes of groups or workers of these names; all of them where none is named."""
        known = nodes_of(self.topology)
        workers = [node for nodes in known.values() for node in nodes]
        if unknown := [name for name in names if name not in known and name not in workers]:
            raise MultiError(
                f"workers.yml has no group and no worker {', '.join(map(repr, unknown))}; its groups: "
                f"{', '.join(known)}; its workers: {', '.join(workers)}"
            )
        wanted = [worker for worker in workers if not names or worker in names or group_of(worker) in names]
        return [Node(name, self.pid_dir / f"{name}.pid", self.log_dir / f"{name}.log") for name in wanted]

    def start(self, nodes: Sequence[Node]) -> None:
        """Start those that do not run."""
        self._refuse_unwritable()
        for node in nodes:
            if node.state == "running":
                self.say(f"{node.name} runs already (pid {node.pid})")
        missing = [node for node in nodes if node.state != "running"]
        if not missing:
            return
        if self.belongs_to_unit:
            Systemctl().reload(self._unit)
        else:
            self._clear(missing)
            self._celery("start", missing)
        self._wait_for_start(missing)

    def stop(self, nodes: Sequence[Node], *, wait: bool) -> None:
        """Stop those that run: TERM; with `wait`, returns when they have finished what they had and left."""
        self._refuse_last(nodes, "stop")
        running = [node for node in nodes if node.state == "running"]
        self._clear([node for node in nodes if node not in running])
        if running:
            self._celery("stopwait" if wait else "stop", running)

    def restart(self, nodes: Sequence[Node]) -> None:
        """Stop and start them; within the unit where they are the unit's: its user, sandbox and credentials."""
        self._refuse_unwritable()
        self._refuse_last(nodes, "restart")
        if self.belongs_to_unit:
            self.stop(nodes, wait=True)
            self.start(nodes)
            return
        self._clear([node for node in nodes if node.state != "running"])
        self._celery("restart", nodes)
        self._wait_for_start(nodes)

    @property
    def belongs_to_unit(self) -> bool:
        """Whether others of these nodes run in the unit, and this process does not."""
        return not in_unit(self._unit) and any(node.runs_in(self._unit) for node in self.chosen(()))

    @property
    def _unit(self) -> str:
        return service_unit(self.topology.project, "multi")

    def _refuse_last(self, nodes: Sequence[Node], verb: str) -> None:
        """A unit without a node has ended: systemd would start all of them again."""
        others = [node for node in self.chosen(()) if node not in nodes and node.state == "running"]
        if self.belongs_to_unit and not others:
            raise MultiError(
                f"{self._unit} would have no node left, and be started again; systemctl {verb} {self._unit}"
            )

    def _refuse_unwritable(self) -> None:
        if reasons := [found for folder in (self.pid_dir, self.log_dir) if (found := unfit(folder))]:
            raise MultiError(
                *reasons, "the unit makes them for its user; others: --pid-dir, --log-dir. Nothing was changed"
            )

    def _clear(self, nodes: Sequence[Node]) -> None:
        """Celery would signal whoever has a dead node's number now, or take it for the node."""
        for node in nodes:
            if node.state == "gone":
                self.say(f"{node.name} does not run: {node.pid_file} names {node.pid}, which is no such node; removed")
                node.pid_file.unlink()

    def _celery(self, verb: str, nodes: Sequence[Node]) -> None:
        names = {node.name for node in nodes}
        arguments = multi_arguments(verb, self.topology, pid_dir=self.pid_dir, log_dir=self.log_dir, only=names)
        command = [interpreter(), "-m", "celery", "multi", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise MultiError(f"celery multi {verb}: exit code {done.returncode}", done.stdout + done.stderr)

    def _wait_for_start(self, nodes: Sequence[Node]) -> None:
        """Celery's command is content when it has forked: whether a node then refuses to run, nobody tells."""
        deadline = time.monotonic() + START
        waiting = list(nodes)
        while waiting and time.monotonic() < deadline and all(node.has_process for node in waiting):
            time.sleep(PAUSE)
            waiting = [node for node in waiting if node.state != "running"]
        if failed := [node for node in nodes if node.state != "running"]:
            raise MultiError(*(f"{node.name} did not start; {_end_of(node.log)}" for node in failed))


def _end_of(log: Path) -> str:
    if not log.exists() or not (lines := log.read_text(encoding="utf-8", errors="replace").splitlines()):
        return f"it wrote nothing to {log}"
    return "\n".join([f"{log} ends:", *(f"  {line}" for line in lines[-SHOWN_LINES:])])
