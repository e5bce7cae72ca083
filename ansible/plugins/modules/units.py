"""Has systemd's units run or not, and renews those that read something older than what lies there now."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: units
short_description: Several units in one call, enabled and running, or neither
description:
  - Asks about all of them at once and does only what is missing.
  - A unit is out of date when one of the files that it reads is younger than its start. That holds as well after a run
    that was cut short between a file and the restart for it.
options:
  units:
    description:
      - In the order in which to start them. C(state) is C(running) (and enabled; the default) or C(stopped).
      - C(reads) are files; C(outdated) says what to do when one is younger: C(restart), C(reload), or C(report) only.
    type: list
    elements: dict
    required: true
"""

UNIT = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["running", "stopped"], "default": "running"},
    "reads": {"type": "list", "elements": "path", "default": []},
    "outdated": {"type": "str", "choices": ["report", "reload", "restart"], "default": "report"},
}
PROPERTIES = (
    *("ActiveState", "UnitFileState", "LoadState", "NeedDaemonReload"),
    *("ConditionResult", "ConditionTimestamp", "InactiveExitTimestamp", "StateChangeTimestamp"),
)
#: Not one that is starting: it may be between two attempts that fail, and `start` waits for what becomes of it.
RUNNING = ("active", "reloading")
#: Those that nobody can enable are started by others.
ENABLED = ("enabled", "enabled-runtime", "static", "alias", "generated", "indirect")

State = dict[str, str]


def main() -> None:
    """Compare, change, tell."""
    module = AnsibleModule(
        argument_spec={"units": {"type": "list", "elements": "dict", "required": True, "options": UNIT}},
        supports_check_mode=True,
    )
    units: list[dict[str, Any]] = module.params["units"]
    states = ask(units)
    reload = any(state["NeedDaemonReload"] == "yes" or state["LoadState"] == "not-found" for state in states)
    if reload and not module.check_mode:
        call(module, "daemon-reload")
        states = ask(units)
    done: dict[str, list[str]] = {"started": [], "stopped": [], "enabled": [], "disabled": [], "outdated": []}
    for unit, state in zip(units, states, strict=True):
        for verb, what in missing(unit, state):
            done[what].append(unit["name"])
            if verb and not module.check_mode:
                call(module, verb, unit["name"])
    module.exit_json(changed=any(done.values()), **done)


def ask(units: list[dict[str, Any]]) -> list[State]:
    """What systemd says of each, in their order."""
    names = [unit["name"] for unit in units]
    command = ["systemctl", "show", "--timestamp=us+utc", f"--property={','.join(PROPERTIES)}", "--", *names]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [dict(line.split("=", 1) for line in block.splitlines()) for block in said.strip().split("\n\n")]


def missing(unit: dict[str, Any], state: State) -> list[tuple[str, str]]:
    """What systemctl is to be told, and what to call that: for a unit that is to run, or for one that is not."""
    is_there = state["LoadState"] not in ("not-found", "masked")
    runs = state["ActiveState"] in RUNNING
    if unit["state"] == "stopped":
        stop = [("stop", "stopped")] if runs else []
        return [*stop, ("disable", "disabled")] if is_there and state["UnitFileState"] == "enabled" else stop
    steps = [] if state["UnitFileState"] in ENABLED else [("enable", "enabled")]
    if not runs and not left_out(state):
        return [*steps, ("start", "started")]
    if runs and is_older(unit, state):
        steps.append(("" if unit["outdated"] == "report" else unit["outdated"], "outdated"))
    return steps


def left_out(state: State) -> bool:
    """Whether its own conditions kept it from starting, such as a clock to set in a container."""
    return state.get("ConditionResult") == "no" and bool(state.get("ConditionTimestamp"))


def is_older(unit: dict[str, Any], state: State) -> bool:
    """Whether it has not looked at one of its files since that was last written."""
    looked = state["StateChangeTimestamp" if unit["outdated"] == "reload" else "InactiveExitTimestamp"]
    since = datetime.strptime(looked, "%a %Y-%m-%d %H:%M:%S.%f %Z").replace(tzinfo=UTC).timestamp()
    return any(path.exists() and path.stat().st_mtime > since for path in map(Path, unit["reads"]))


def call(module: AnsibleModule, *arguments: str) -> None:
    """Run systemctl; a failure shows the end of the unit's journal, too."""
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        told = [f"systemctl {' '.join(arguments)}: {done.stderr.strip()}", *(journal(name) for name in arguments[1:])]
        module.fail_json(msg="\n".join(told))


def journal(unit: str) -> str:
    """Its last lines."""
    command = ["journalctl", "--no-pager", "--lines=20", "--output=cat", f"--unit={unit}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    main()
