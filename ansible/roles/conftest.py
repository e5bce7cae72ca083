"""What the roles' tests are given: a host's variables, and questions to it that change nothing there."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final

import pytest
import testinfra
from testinfra.host import Host

Variables = Mapping[str, Any]
#: Asks a host with a command, whose %s are replaced by the arguments, quoted; returns what it says. A failure calls it
#: `what`, if that is given.
Ask = Callable[..., str]
#: Asks several hosts at a time, each with its command; by host, what those say that answer.
AskAll = Callable[[Mapping[str, str]], dict[str, str]]
#: Looks at units or files as roles list them; returns what is wrong.
Look = Callable[[Sequence[Mapping[str, Any]]], list[str]]

#: What systemd is asked of a unit, with times in seconds.
SHOW: Final = (
    "systemctl show --timestamp=unix --property=Id,ActiveState,UnitFileState,ConditionResult,ConditionTimestamp,"
    "InactiveExitTimestamp,StateChangeTimestamp -- "
)


@pytest.fixture(scope="module")
def variables(host: Host, inventory: Any) -> Variables:
    """The host's, as a playbook sees them."""
    return inventory.variables(host.backend.host)


@pytest.fixture(scope="module")
def ask(host: Host) -> Ask:
    """Run a command that has to succeed."""

    def ask(command: str, *arguments: str, what: str = "") -> str:
        done = host.run(command, *arguments)
        if done.rc:
            [*_, last] = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.rc}").splitlines()
            pytest.fail(f"{what or command.replace(' %s', '')}: {last}", pytrace=False)
        return done.stdout

    return ask


@pytest.fixture(scope="session")
def ask_all(pytestconfig: pytest.Config) -> AskAll:
    """Each question is asked once, however many tests want to know."""

    @cache
    def said(name: str, command: str) -> str | None:
        other = testinfra.get_host(f"ansible://{name}", ansible_inventory=pytestconfig.getoption("ansible_inventory"))
        try:
            return other.run(command).stdout
        except RuntimeError:  # it does not answer, which is told elsewhere
            return None

    def ask_all(commands: Mapping[str, str]) -> dict[str, str]:
        with ThreadPoolExecutor(len(commands)) as pool:
            answers = pool.map(said, commands.keys(), commands.values())
        return {name: answer for name, answer in zip(commands, answers, strict=True) if answer is not None}

    return ask_all


@pytest.fixture(scope="module")
def unsettled(ask: Ask) -> Look:
    """What of these units does not run, or not after a boot, or not with what lies there now."""

    def unsettled(units: Sequence[Mapping[str, Any]]) -> list[str]:
        names = [unit["name"] for unit in units]
        files = sorted({file for unit in units for file in unit.get("reads", ())})
        blocks = ask(SHOW + " ".join(["%s"] * len(names)), *names).strip().split("\n\n")
        written = ask("stat --format='%%n %%Y' -- %s" + " %s" * len(files), "/dev/null", *files).splitlines()
        ages = {name: int(age) for name, age in (line.rsplit(" ", 1) for line in written)}
        states = [dict(line.split("=", 1) for line in block.splitlines()) for block in blocks]
        return [told for unit, state in zip(units, states, strict=True) for told in _unsettled(unit, state, ages)]

    return unsettled


def _unsettled(unit: Mapping[str, Any], state: dict[str, str], ages: Mapping[str, int]) -> list[str]:
    name, runs = unit["name"], state["ActiveState"] in ("active", "reloading")
    told = []
    # Its own conditions may keep it from starting, such as a clock to set in a container.
    if not runs and not (state["ConditionResult"] == "no" and state["ConditionTimestamp"]):
        told.append(f"{name} does not run: it is {state['ActiveState']}")
    if state["UnitFileState"] in ("", "disabled", "masked"):
        told.append(f"{name} would not run after a boot: it is {state['UnitFileState'] or 'not there'}")
    if runs:
        looked = state["StateChangeTimestamp" if unit.get("outdated") == "reload" else "InactiveExitTimestamp"]
        younger = [file for file in unit.get("reads", ()) if ages[file] > int(looked.removeprefix("@"))]
        told += [f"{name} has not read {file} since it was written" for file in younger]
    return told


@pytest.fixture(scope="module")
def misplaced(host: Host) -> Look:
    """What of these files is not there, or is somebody else's, or may be read by somebody else."""

    def misplaced(files: Sequence[Mapping[str, Any]]) -> list[str]:
        paths = [file["path"] for file in files]
        said = host.run("stat --format='%%n 0%%a %%U %%G' --" + " %s" * len(paths), *paths).stdout
        found = dict(line.split(" ", 1) for line in said.splitlines())
        told = []
        for file in files:
            wanted = f"{file['mode']} {file.get('owner', 'root')} {file.get('group', 'root')}"
            if (has := found.get(file["path"])) != wanted:
                told.append(f"{file['path']} is {has}, not {wanted}" if has else f"{file['path']} is not there")
        return told

    return misplaced
