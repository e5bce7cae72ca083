"""Several workers of one group on a host: their names, and what they share."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.workers.sample import changed, loaded
from workers.commands.run import run
from workers.derive.command_line import worker_command
from workers.exits import CONFIGURATION
from workers.process import group_name
from workers.topology import budgets, topology
from workers.topology.instances import UnknownWorkerError, group_of, instances, spare, workers_named

GROUP = next(iter(topology().groups))


def test_one_is_named_after_its_group_and_several_are_numbered(tmp_path: Path) -> None:
    """A name does not depend on which worker started first."""
    groups = loaded(tmp_path, changed({"groups.batch.instances": 3})).groups
    assert instances("io", groups["io"]) == ["io"]
    assert instances("batch", groups["batch"]) == ["batch-1", "batch-2", "batch-3"]


@pytest.mark.parametrize("name", ["batch", "batch-2", "batch-spare", "batch@web1", "batch-2@web-1"])
def test_each_belongs_to_its_group(name: str) -> None:
    """Host names hold dashes; names of groups do not."""
    assert group_of(name) == "batch"


def test_a_node_is_named_after_its_worker_and_reads_its_groups_queue(tmp_path: Path) -> None:
    """All of a group's workers share its settings."""
    group = loaded(tmp_path, changed({"groups.batch.instances": 2})).groups["batch"]
    command = worker_command("batch-2", group)
    assert command[command.index("-n") + 1] == "batch-2@%h"
    assert "--queues=batch" in command
    assert group_name(["celery", *command]) == "batch"


def test_connections_grow_with_them(tmp_path: Path) -> None:
    """Each has its own."""
    one = budgets.database_connections(loaded(tmp_path, changed({})))
    two = budgets.database_connections(loaded(tmp_path, changed({"groups.batch.instances": 2})))
    assert two["batch"] == 2 * one["batch"]


def test_a_name_that_the_topology_does_not_know_is_refused() -> None:
    """A unit that was forgotten when `instances` was lowered must not go on consuming."""
    refused = CliRunner().invoke(run, [f"{GROUP}-7"])
    assert refused.exit_code == CONFIGURATION
    assert f"{GROUP} has no worker '{GROUP}-7' (`instances`, workers.yml); its workers: {GROUP}" in refused.stderr
    assert spare(GROUP) in refused.stderr


def test_names_are_resolved_to_workers(tmp_path: Path) -> None:
    """A group is all of its workers; the spare can be drained by name; what nobody has is refused with what there is."""
    topology = loaded(tmp_path, changed({"groups.batch.instances": 2}))
    assert workers_named(topology, "batch") == ["batch-1", "batch-2"]
    assert workers_named(topology, "batch-2") == ["batch-2"]
    assert workers_named(topology, "batch-spare") == ["batch-spare"]
    assert workers_named(topology, "io") == ["io"]
    with pytest.raises(UnknownWorkerError, match="no group 'bacth'; its groups: default, batch, io"):
        workers_named(topology, "bacth")
    with pytest.raises(
        UnknownWorkerError, match=r"batch has no worker 'batch-3' .*; its workers: batch-1, batch-2, batch-spare"
    ):
        workers_named(topology, "batch-3")
