"""The derived command lines are parsed back by Celery itself and compared with the topology."""

from pathlib import Path, PurePath
from typing import Any

import pytest
from celery.apps.multi import MultiParser, NamespacedOptionParser
from celery.bin.worker import worker

from tests.workers.sample import changed, loaded
from workers.derive.command_line import worker_command, worker_options
from workers.derive.multi import multi_arguments
from workers.topology import Topology
from workers.topology.instances import group_of

CHANGES = {
    "groups.batch.start_method": "spawn",
    "groups.batch.max_tasks_per_child": 7,
    "groups.batch.instances": 2,
}


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    """The sound topology, with a group of two workers a host whose children are spawned and recycled."""
    return loaded(tmp_path, changed(CHANGES))


def test_celery_understands_every_option(topology: Topology) -> None:
    """Its own parser gives back the group's numbers, in its own units."""
    command = worker_command("batch", topology.groups["batch"])
    context = worker.make_context("worker", command[command.index("worker") + 1 :], resilient_parsing=True)
    read = {name: context.params[name] for name in ("queues", "time_limit", "soft_time_limit")}
    assert read == {"queues": ["batch"], "time_limit": 900, "soft_time_limit": 840}
    assert context.params["max_memory_per_child"] == 1000 * 1024
    assert context.params["max_tasks_per_child"] == 7
    assert context.params["pool_start_method"] == "spawn"
    assert context.params["prefetch_multiplier"] == 1
    assert context.params["without_mingle"]
    assert context.params["hostname"].partition("@")[0] == "batch"


def test_options_that_a_pool_ignores_are_left_out(topology: Topology) -> None:
    """The threads pool would take a time limit without a word, and enforce none."""
    options = worker_options("io", topology.groups["io"])
    assert "--pool=threads" in options
    assert not [option for option in options if "limit" in option or "start-method" in option or "child" in option]


def test_multi_gives_each_node_the_options_of_its_group(topology: Topology, tmp_path: Path) -> None:
    """Its own parser gives back, node by node, what `workers run` would use."""
    arguments = multi_arguments("start", topology, pid_dir=PurePath(tmp_path), log_dir=PurePath(tmp_path))
    parser: Any = NamespacedOptionParser(arguments[1:])
    parser.parse()
    parsed: Any = MultiParser().parse(parser)
    nodes = {node.name.partition("@")[0]: node for node in parsed}
    assert set(nodes) == {"default", "batch-1", "batch-2", "io"}
    for name, node in nodes.items():
        given = [f"{flag}={value}" if value else flag for flag, value in node.options.items()]
        assert set(worker_options(group_of(name), topology.groups[group_of(name)])) <= set(given)
