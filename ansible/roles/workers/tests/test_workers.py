"""Workers of the groups that the inventory gives a host: ../README.md."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://workers_*"]

Variables = Mapping[str, Any]
#: What a worker says of itself while it takes tasks: how many of its slots are taken.
WORKS: Final = re.compile(r"(?P<group>[\w-]+): \d+ of (?P<slots>\d+) slots busy, \d+ done, ")


@pytest.fixture(scope="module")
def workers(variables: Variables) -> dict[str, list[str]]:
    """By group, the units of its workers."""
    groups = variables["project_topology"]["groups"]
    return {
        name: [_unit(variables, each) for each in instances(name, groups[name])]
        for name in variables["project_worker_groups"]
    }


def instances(group: str, settings: Mapping[str, Any]) -> list[str]:
    """Their names: the group's, or numbered where it has several on a host."""
    count = settings.get("instances", 1)
    return [group] if count == 1 else [f"{group}-{number}" for number in range(1, count + 1)]


def _unit(variables: Variables, worker: str) -> str:
    return f"celery-worker-{variables['project']}@{worker}.service"


@pytest.fixture(scope="module")
def shown(ask: Callable[..., str], workers: dict[str, list[str]]) -> dict[str, dict[str, str]]:
    """What systemd knows of each worker."""
    names = [unit for units in workers.values() for unit in units]
    asked = "systemctl show --property=Id,ActiveState,StatusText,MemoryMax,Slice --" + " %s" * len(names)
    blocks = ask(asked, *names).strip().split("\n\n")
    return {
        name: dict(line.split("=", 1) for line in block.splitlines()) for name, block in zip(names, blocks, strict=True)
    }


def test_groups_start_with_the_host(
    unsettled: Callable[..., list[str]], workers: dict[str, list[str]], variables: Variables
) -> None:
    """Those of the inventory, and the whole they belong to."""
    project = variables["project"]
    targets = [f"celery-{project}.target", *(f"celery-{project}-{group}.target" for group in workers)]
    told = unsettled([{"name": name} for name in targets])
    assert not told, "; ".join(told)


def test_no_other_group_runs(ask: Callable[..., str], workers: dict[str, list[str]], variables: Variables) -> None:
    """Nor a spare that was left behind: it stands in only while a worker is replaced."""
    asked = "systemctl list-units --plain --no-legend --state=active,activating,reloading %s"
    running = {line.split()[0] for line in ask(asked, _unit(variables, "*")).splitlines()}
    more = sorted(running - {unit for units in workers.values() for unit in units})
    assert not more, f"run as well: {', '.join(more)}"


def test_workers_take_tasks(shown: dict[str, dict[str, str]]) -> None:
    """Each is up and says so itself, with the words that keep systemd from starting it again."""
    told = [
        f"{unit} is {state['ActiveState']}: {state['StatusText'] or 'it says nothing'}"
        for unit, state in shown.items()
        if state["ActiveState"] != "active" or not WORKS.match(state["StatusText"])
    ]
    assert not told, "; ".join(told)


def test_slots_are_those_of_the_topology(
    shown: dict[str, dict[str, str]], workers: dict[str, list[str]], variables: Variables
) -> None:
    """As workers.yml has it, with the environment's sizes; `auto` are as many as the host has cores."""
    groups, told = variables["project_topology"]["groups"], []
    for group, units in workers.items():
        wanted = str(groups[group]["concurrency"])
        for unit in units:
            found = WORKS.match(shown[unit]["StatusText"])
            if found and wanted.isdigit() and found["slots"] != wanted:
                told.append(f"{unit} has {found['slots']} slots, not {wanted}")
    assert not told, "; ".join(told)


def test_memory_is_bounded(
    shown: dict[str, dict[str, str]], workers: dict[str, list[str]], variables: Variables
) -> None:
    """A greedy group harms itself: each worker has a limit, and its share of the host."""
    told = [f"{unit} has no limit of memory" for unit, state in shown.items() if not state["MemoryMax"].isdigit()]
    for group, units in workers.items():
        wanted = f"celery-{variables['project']}-{group}.slice"
        told += [
            f"{unit} is in {shown[unit]['Slice']}, not in {wanted}" for unit in units if shown[unit]["Slice"] != wanted
        ]
    assert not told, "; ".join(told)


def test_model_is_there(host: Host, variables: Variables) -> None:
    """Where the shop's own is trained: not empty, and the workers'."""
    trained = [command.split()[0] for command in variables["workers_prepare"].get("ml", ())]
    if "ml" not in variables["project_worker_groups"] or "train_digits" not in trained:
        pytest.skip("no model is trained here")
    path = f"{variables['project_environment']['DATA_DIR']}/models/digits.model"
    file = host.file(path)
    assert file.exists, f"{path} is not there"
    assert file.size, f"{path} is empty"
    assert file.user == variables["project_user"], f"{path} is {file.user}'s"
