"""Runs the local processes with one coloured log, and stops them in order."""

import os
import shlex
import signal
import threading
import time
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from honcho.manager import Manager
from honcho.printer import Printer
from honcho.process import Popen, Process

from workers.derive.local_processes import STOP_ORDER, LocalProcess
from workers.local.lifetime import die_with_parent

#: Seconds for Flower: it has no work to finish, and with its broker gone it may try that again instead of ending.
FLOWER_TIMEOUT: Final = 10


class _Child(Process):  # type: ignore[misc]  # honcho has no types
    """honcho's process, without a shell's pid in between and without a life after ours."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._child_ctor = partial(Popen, preexec_fn=die_with_parent)

    def run(self, *args: Any) -> None:
        die_with_parent()
        super().run(*args)


class DrainingManager(Manager):  # type: ignore[misc]  # honcho has no types
    """honcho's manager with a stop that loses nothing.

    honcho signals whole process groups at once and kills after 5 s: prefork children would die in the middle of their
    tasks (trap 18). Here the main process of each stage is told, and the next stage follows when the last is gone.
    """

    def __init__(self, processes: Iterable[LocalProcess], stop_timeout: int) -> None:
        super().__init__(Printer(time_format=""))  # each line brings its own time
        self._process_ctor = _Child
        self._stages: Final[dict[str, str]] = {process.name: process.stage for process in processes}
        self._stop_timeout = stop_timeout
        self._stopping = False
        self._interrupted = False
        self._died: list[str] = []
        for process in processes:
            self.add_process(process.name, f"exec {shlex.join(process.command)}")

    @property
    def failed(self) -> list[str]:
        """The processes that ended by themselves, which ended the run."""
        return self._died

    def _start(self) -> None:
        super()._start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: object) -> None:
        if self._interrupted:
            self._system_print("again: killing what is left; unfinished tasks that acknowledge late run again\n")
            super().kill()
            return
        self._interrupted = True
        self.returncode = 0
        self.terminate()

    def terminate(self) -> None:
        """Begin the stop, once; also called by honcho when a process has ended by itself."""
        if self._stopping:
            return
        self._stopping = True
        if not self._interrupted:
            self._died = [name for name, process in self._processes.items() if process.get("returncode") is not None]
            self._system_print(f"{', '.join(self._died)} ended by itself; stopping the others\n")
            self.returncode = 1
        threading.Thread(target=self._drain, name="drain", daemon=True).start()

    def kill(self) -> None:
        """Do nothing: honcho calls this 5 s after the first end, and the drain has a deadline of its own."""

    def _drain(self) -> None:
        deadline = time.monotonic() + self._stop_timeout
        for stage in STOP_ORDER:
            names = [name for name in self._alive() if self._stages[name] == stage]
            if names:
                self._system_print(f"stopping {', '.join(names)}\n")
            for name in names:
                self._signal(name, signal.SIGTERM)
            until = min(deadline, time.monotonic() + FLOWER_TIMEOUT) if stage == "flower" else deadline
            while time.monotonic() < until and any(name in self._alive() for name in names):
                time.sleep(0.05)
        if left := self._alive():
            self._system_print(f"{', '.join(left)} did not stop in time; killing\n")
            super().kill()

    def _alive(self) -> list[str]:
        return [name for name, process in self._processes.items() if process.get("returncode") is None]

    def _signal(self, name: str, number: int) -> None:
        pid = self._processes[name].get("pid")
        try:
            if pid:
                os.kill(pid, number)
        except ProcessLookupError:
            pass  # it has just ended; its event is on the way
