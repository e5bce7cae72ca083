"""This project's own workers.yml: sound in every environment, and in agreement with its tasks and its documents."""

import json

import pytest
from click.testing import CliRunner

from config.celery import app
from workers.commands import main
from workers.commands.output import REFUSED
from workers.derive.documents import documents
from workers.exits import CONFIGURATION
from workers.startup import task_problems
from workers.topology import load
from workers.topology.load import ROOT

ENVIRONMENTS = sorted(file.parent.name for file in ROOT.glob("environments/*/sizes.yml"))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_topology_is_sound(environment: str) -> None:
    """What `workers check` would refuse on deploy is refused in CI first."""
    assert task_problems(app, load(environment=environment)) == []


@pytest.mark.parametrize("name", documents())
def test_a_printed_document_is_the_models(name: str) -> None:
    """Else run `python -m workers docs`."""
    assert (ROOT / name).read_text(encoding="utf-8") == documents()[name]


def test_show_prints_every_group() -> None:
    """The table fits a terminal of 80 columns."""
    printed = CliRunner().invoke(main, ["show"])
    assert printed.exit_code == 0, printed.output
    for name in load().topology.groups:
        assert name in printed.output
    assert max(map(len, printed.output.splitlines())) <= 80


def test_show_says_where_each_number_of_a_group_comes_from() -> None:
    """And how its worker is started, by hand and by `celery multi`."""
    name, group = next(iter(load().topology.groups.items()))
    printed = CliRunner().invoke(main, ["show", name], env={"COLUMNS": "160"})
    assert printed.exit_code == 0, printed.output
    assert f"time_limit {group.time_limit} + soft_shutdown {group.soft_shutdown} + margin 30" in printed.output
    assert f"--queues={name}" in printed.output
    assert f"--queues:{name}={name}" in printed.output


def test_show_as_json_is_for_programs() -> None:
    """One document with every group and its derived values."""
    printed = CliRunner().invoke(main, ["show", "--json", "-e", "production"])
    shown = json.loads(printed.output)
    assert set(shown["groups"]) == set(load().topology.groups)
    for group in shown["groups"].values():
        assert group["stop_timeout"] > (group["time_limit"] or group["longest_run"])


def test_an_unknown_group_is_refused_with_the_known_ones() -> None:
    """`workers run` and `workers show` say what there is."""
    for command, code in (("run", CONFIGURATION), ("show", REFUSED)):
        printed = CliRunner().invoke(main, [command, "bacth"])
        assert printed.exit_code == code
        assert "workers.yml has no group 'bacth'; its groups: " in printed.output
