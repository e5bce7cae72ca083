"""What an operator sees of a playbook: a line a change, the time of each role, and who failed for which reason."""

import sys
import time
from collections import defaultdict
from typing import Any, Final

from ansible import constants
from ansible.plugins.callback.default import CallbackModule as Default

DOCUMENTATION = """
name: steps
type: stdout
short_description: a line a change, the time of each role, and the reason of each failure
description:
  - Tasks that change nothing are counted, not shown; on a terminal the one that runs is named meanwhile.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

#: What a module may have to say about its failure, in the order in which a person wants to read it.
TOLD: Final = ("msg", "stdout", "stderr", "module_stdout", "module_stderr")
#: Characters of a line on a terminal.
WIDTH: Final = 100


class CallbackModule(Default):
    """Prints as it goes; what hosts answer with `no_log` never gets here."""

    CALLBACK_NAME = "steps"

    def __init__(self) -> None:
        """Nothing has run."""
        super().__init__()
        self._began = time.monotonic()
        self._role_times: dict[str, float] = defaultdict(float)
        self._task = ("", "")
        self._task_began = self._began
        self._changed: list[str] = []
        self._diffs: dict[str, list[str]] = defaultdict(list)
        self._terminal = sys.stdout.isatty()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Name the play."""
        self._end_task()
        self._play = play
        self._say(f"\n{play.get_name().strip()}", constants.COLOR_HIGHLIGHT)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002, FBT001 - Ansible's
        """Close the one before."""
        self._begin_task(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Close the one before."""
        self._begin_task(task)

    def v2_playbook_on_cleanup_task_start(self, task: Any) -> None:
        """Close the one before."""
        self._begin_task(task)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Count it; a debug task is there to say something."""
        self._handle_warnings_and_exception(result)
        if result.result.get("changed"):
            self._changed.append(result.host.get_name())
        if result.task.action.rpartition(".")[2] == "debug" and "msg" in result.result:
            self._clear()
            self._say(f"{result.result['msg']}")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: FBT001, FBT002 - Ansible's
        """Say where and why, unless it was expected."""
        if not ignore_errors and "results" not in result.result:  # of a loop each item has told it
            self._tell_failure(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """Say where and why."""
        if not result.task.ignore_errors:
            self._tell_failure(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Say whom nobody reaches."""
        if not result.task.ignore_unreachable:
            self._clear()
            self._say(f"UNREACHABLE  {self.host_label(result)}: {result.result.get('msg', '')}", constants.COLOR_ERROR)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Told by the task as a whole."""

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        """Nothing happened."""

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Nothing happened."""

    def v2_on_file_diff(self, result: Any) -> None:
        """Keep it until the task ends: eleven hosts may have one and the same."""
        for each in result.result.get("results", [result.result]):
            told = each.get("diff") if each.get("changed") else None
            for diff in told if isinstance(told, list) else [told]:
                if diff and (text := self._get_diff(diff).strip()):
                    self._diffs[text].append(result.host.get_name())

    def v2_runner_retry(self, result: Any) -> None:
        """Show on a terminal that it waits."""
        attempts, most = result.result["attempts"], result.result["retries"]
        self._status(f"{self._task[1]}: {result.host.get_name()} waits, {attempts} of {most}")

    def v2_playbook_on_include(self, included_file: Any) -> None:
        """Its tasks tell."""

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Print what each role took, and what became of each host."""
        self._end_task()
        self._say("\nSeconds by role", constants.COLOR_HIGHLIGHT)
        for role, seconds in sorted(self._role_times.items(), key=lambda entry: -entry[1]):
            if seconds >= 0.1:  # noqa: PLR2004 - as printed
                self._say(f"{seconds:8.1f}  {role or '-'}")
        self._say(f"{time.monotonic() - self._began:8.1f}  in all\n")
        for host in sorted(stats.processed):
            found = stats.summarize(host)
            bad = found["failures"] or found["unreachable"]
            colour = constants.COLOR_ERROR if bad else constants.COLOR_CHANGED if found["changed"] else None
            told = f"{found['changed']:4} changed, {found['failures']} failed, {found['unreachable']} unreachable"
            self._say(f"{host:<24}{told}", colour)

    def _begin_task(self, task: Any) -> None:
        self._end_task()
        role = task._role.get_name() if task._role else ""  # noqa: SLF001 - Ansible's own callbacks read it
        self._task = (role, str(task.get_name()).strip().removeprefix(f"{role} : "))
        self._task_began = time.monotonic()
        self._status(f"{role}: {self._task[1]}" if role else self._task[1])

    def _end_task(self) -> None:
        self._clear()
        role, name = self._task
        if name:
            took = time.monotonic() - self._task_began
            self._role_times[role] += took
            if self._changed:
                hosts = " ".join(sorted(set(self._changed)))
                self._say(f"{self._since()}  {role:<13} {name:<50} {took:5.1f} s  {hosts}", constants.COLOR_CHANGED)
                self._tell_diffs()
        self._task, self._changed = ("", ""), []
        self._diffs.clear()

    def _tell_diffs(self) -> None:
        """Each once, with the hosts that have it."""
        for text, hosts in self._diffs.items():
            self._say(f"          on {' '.join(sorted(set(hosts)))}:", constants.COLOR_HIGHLIGHT)
            self._say("\n".join(f"          {line}" for line in text.splitlines()) + "\n")

    def _tell_failure(self, result: Any) -> None:
        self._clear()
        role, name = self._task
        self._say(f"FAILED  {self.host_label(result)}  {role}: {name}", constants.COLOR_ERROR)
        told = [str(result.result[key]).strip() for key in TOLD if result.result.get(key)]
        if not told:
            told = [self._dump_results(result.result)]
        for text in dict.fromkeys(told):
            self._say("\n".join(f"    {line}" for line in text.splitlines()), constants.COLOR_ERROR)

    def _since(self) -> str:
        return f"{time.monotonic() - self._began:6.0f} s"

    def _status(self, text: str) -> None:
        if self._terminal:
            self._clear()
            self._display.display(f"{self._since()}  {text} ..."[:WIDTH], newline=False, screen_only=True)
            sys.stdout.flush()

    def _clear(self) -> None:
        if self._terminal:
            self._display.display("\r\x1b[K", newline=False, screen_only=True)

    def _say(self, text: str, colour: str | None = None) -> None:
        self._display.display(text, color=colour)
